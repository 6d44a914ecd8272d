//! The proxy that the environment names for a target, if any.
//!
//! Main types: [`Route`], found by [`route`], and [`Via`], a proxy that is used. A proxy whose
//! address cannot be used is an error: to go without it would send requests past it. A password in
//! the address is never shown.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// The variables that name a proxy for https, in the order in which they count.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The variables that name hosts that are reached without a proxy.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// The longest first line of an answer that is read.
const LONGEST_LINE: usize = 8192;

/// How a target is reached.
#[derive(Debug)]
pub(super) enum Route {
    /// Without a proxy, whatever the system says.
    Direct,
    /// As the settings of the operating system say: no variable names a proxy.
    System,
    /// Through this proxy.
    Via(Via),
}

/// A variable that names a proxy that cannot be used. Never quotes it: there may be a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} cannot be used: {why}")]
pub(super) struct Unusable {
    variable: &'static str,
    why: String,
}

/// A proxy that is used.
pub(super) struct Via {
    variable: &'static str,
    /// Without user and password.
    url: Url,
    user: Option<(String, SecretString)>,
    /// Whether it has opened a tunnel. Held while that is tried, so that wrong credentials are sent
    /// once and not by every worker.
    has_opened: Mutex<bool>,
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Via")
            .field("variable", &self.variable)
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Via {
    /// Its address, and the variable that names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        write!(f, "{host}:{} ({})", self.port(), self.variable)
    }
}

/// Finds the way to an address outside of this machine.
pub(super) fn route(
    target: &Url,
    environment: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<Route, Unusable> {
    let set = |name: &&'static str| environment(name).filter(|value| !value.is_empty()).map(|v| (*name, v));
    let Some((variable, value)) = VARIABLES.iter().find_map(set) else { return Ok(Route::System) };
    let exceptions = EXCEPTIONS.iter().find_map(set);
    let exceptions = exceptions.map(|(_, list)| list.to_string_lossy().into_owned()).unwrap_or_default();
    if is_excepted(target, &exceptions) {
        return Ok(Route::Direct);
    }
    let unusable = |why: String| Unusable { variable, why };
    let value = value.to_str().ok_or_else(|| unusable("it is not valid UTF-8".to_owned()))?;
    parse(variable, value.trim()).map(Route::Via).map_err(unusable)
}

/// Reads the address of a proxy; without a scheme it is meant to be http.
fn parse(variable: &'static str, value: &str) -> Result<Via, String> {
    const EXAMPLE: &str = "it is not an address such as http://proxy.example.com:3128";
    let whole = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let mut url = Url::parse(&whole).map_err(|error| {
        let is_password = value.contains('@');
        let hint =
            if is_password { "; special characters in a password must be percent-encoded" } else { "" };
        format!("{EXAMPLE} ({error}){hint}")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{}:// is not supported, only http:// and https://", scheme_shown(url.scheme())));
    }
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let has_host = match url.host() {
        Some(Host::Domain(name)) => is_name(name),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    };
    if !has_host || !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(EXAMPLE.to_owned());
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let has_user = !url.username().is_empty() || url.password().is_some();
    let user = has_user
        .then(|| (decoded(url.username()), SecretString::from(decoded(url.password().unwrap_or_default()))));
    // Neither can fail for an address with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(Via { variable, url, user, has_opened: Mutex::new(false) })
}

/// A scheme as it may be shown; a long one may be something else, such as a password.
fn scheme_shown(scheme: &str) -> &str {
    if scheme.starts_with("socks") { scheme } else { "this kind of address" }
}

/// Whether a list such as `localhost,.example.com,10.0.0.0/8` names the host of this address.
fn is_excepted(target: &Url, list: &str) -> bool {
    let port = target.port_or_known_default();
    // Files of variables for containers keep the quotes around a value.
    let is_between = |c: char| matches!(c, ',' | ';' | '"' | '\'') || c.is_whitespace();
    let entries = list.split(is_between).filter(|entry| !entry.is_empty());
    match target.host() {
        None => false,
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_lowercase();
            entries.into_iter().any(|entry| names(entry, &name, port))
        }
        Some(Host::Ipv4(ip)) => entries.into_iter().any(|entry| covers(entry, IpAddr::V4(ip), port)),
        Some(Host::Ipv6(ip)) => entries.into_iter().any(|entry| covers(entry, IpAddr::V6(ip), port)),
    }
}

/// Whether an entry of the list names this host: `*`, a domain with everything below it, however
/// its beginning is written, with or without a port.
fn names(entry: &str, host: &str, port: Option<u16>) -> bool {
    let (entry, wanted) = with_port(entry);
    if wanted.is_some() && wanted != port {
        return false;
    }
    let entry = entry.to_lowercase();
    let domain = entry.strip_prefix('*').unwrap_or(&entry);
    let domain = domain.trim_matches('.');
    if domain.is_empty() {
        return entry.starts_with('*');
    }
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether an entry of the list is this address, or a network that has it.
fn covers(entry: &str, ip: IpAddr, port: Option<u16>) -> bool {
    if entry == "*" {
        return true;
    }
    let bare = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    if let Some((network, length)) = entry.split_once('/') {
        let (Some(network), Ok(length)) = (bare(network), length.parse::<u32>()) else { return false };
        return is_within(ip, network, length);
    }
    let (host, wanted) = if bare(entry).is_some() { (entry, None) } else { with_port(entry) };
    bare(host) == Some(ip) && (wanted.is_none() || wanted == port)
}

fn is_within(ip: IpAddr, network: IpAddr, length: u32) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) if length <= 32 => {
            let differs = ip.to_bits() ^ network.to_bits();
            differs.leading_zeros() >= length
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) if length <= 128 => {
            let differs = ip.to_bits() ^ network.to_bits();
            differs.leading_zeros() >= length
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => false,
    }
}

fn with_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        Some(_) | None => (entry, None),
    }
}

impl Via {
    /// As reqwest takes it.
    pub(super) fn proxy(&self) -> reqwest::Result<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(self.url.clone())?;
        Ok(match &self.user {
            Some((name, password)) => proxy.basic_auth(name, password.expose_secret()),
            None => proxy,
        })
    }

    fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// Asks the proxy once for a tunnel to the target, unless it has opened one before. Gives the
    /// status with which it refuses; `None` where it opens one, or where only a real request can
    /// say.
    pub(super) fn refusal(&self, target: &Url, timeout: Duration) -> Option<u16> {
        let mut has_opened = self.has_opened.lock().unwrap_or_else(PoisonError::into_inner);
        if *has_opened {
            return None;
        }
        let status = self.ask(target, timeout).ok().flatten()?;
        *has_opened = (200..300).contains(&status);
        (!*has_opened).then_some(status)
    }

    /// The next request asks again: the proxy has refused a tunnel.
    pub(super) fn forget(&self) {
        *self.has_opened.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    fn ask(&self, target: &Url, timeout: Duration) -> io::Result<Option<u16>> {
        if self.url.scheme() != "http" {
            return Ok(None);
        }
        let until = Instant::now() + timeout;
        let left = || until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let host = self.url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let Some(address) = (host, self.port()).to_socket_addrs()?.next() else { return Ok(None) };
        let mut stream = TcpStream::connect_timeout(&address, left())?;
        stream.set_write_timeout(Some(left()))?;
        stream.write_all(self.request(target).as_bytes())?;
        let mut line = Vec::new();
        let mut part = [0; 256];
        while !line.contains(&b'\n') && line.len() < LONGEST_LINE && Instant::now() < until {
            stream.set_read_timeout(Some(left()))?;
            match stream.read(&mut part)? {
                0 => break,
                read => line.extend_from_slice(&part[..read]),
            }
        }
        Ok(status_of(&line))
    }

    fn request(&self, target: &Url) -> String {
        let host = target.host_str().unwrap_or_default();
        let port = target.port_or_known_default().unwrap_or(443);
        let authorization = self.user.as_ref().map_or_else(String::new, |(name, password)| {
            let both = BASE64_STANDARD.encode(format!("{name}:{}", password.expose_secret()));
            format!("Proxy-Authorization: Basic {both}\r\n")
        });
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n")
    }
}

/// The status in `HTTP/1.1 407 Proxy Authentication Required`.
fn status_of(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line.split(|&byte| byte == b'\n').next()?).ok()?;
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/"))?;
    words.next()?.parse().ok().filter(|status| (100..1000).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(target: &str, variables: &[(&str, &str)]) -> Result<Route, Unusable> {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| v.into());
        route(&Url::parse(target).unwrap(), value)
    }

    const FAR: &str = "https://houston.example.com/v1";

    #[test]
    fn the_first_variable_that_is_not_empty_counts() {
        assert!(matches!(found(FAR, &[]), Ok(Route::System)));
        assert!(matches!(found(FAR, &[("HTTPS_PROXY", ""), ("HTTP_PROXY", "x:1")]), Ok(Route::System)));
        for (variables, shown) in [
            (&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "b:2")][..], "a:1 (HTTPS_PROXY)"),
            (&[("HTTPS_PROXY", ""), ("https_proxy", "b:2")], "b:2 (https_proxy)"),
            (&[("all_proxy", " https://u:p%40ss@c.example.com/ ")], "c.example.com:443 (all_proxy)"),
            (&[("ALL_PROXY", "http://[::1]:3128")], "[::1]:3128 (ALL_PROXY)"),
        ] {
            let Ok(Route::Via(via)) = found(FAR, variables) else { panic!("{variables:?}") };
            assert_eq!(via.to_string(), shown);
            assert!(!format!("{via:?}").contains("ss"), "{via:?}");
            assert!(via.proxy().is_ok());
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_an_error_that_quotes_nothing() {
        for bad in [
            "http//proxy.example.com:3128",
            "http:/hush:3128",
            "\"http://hush:3128\"",
            "'hush'",
            "socks5://me:hush@127.0.0.1:1080",
            "hush://proxy.example.com",
            "http://me:hu#sh@proxy.example.com:3128",
            "http://me:hush@",
            "http://proxy.example.com:3128/hush",
            "http://proxy.example.com:hush",
            "http://proxy hush:3128",
            "http://",
        ] {
            let error = found(FAR, &[("HTTPS_PROXY", bad)]).unwrap_err().to_string();
            assert!(error.starts_with("HTTPS_PROXY cannot be used: "), "{error}");
            assert!(!error.contains("hush") && !error.contains("hu#"), "{bad}: {error}");
            // Where it would not be used, it does no harm.
            let unused = found(FAR, &[("HTTPS_PROXY", bad), ("NO_PROXY", "example.com")]);
            assert!(matches!(unused, Ok(Route::Direct)), "{bad}");
        }
    }

    #[test]
    fn exceptions_are_read_in_every_usual_spelling() {
        for (list, target, is_direct) in [
            ("*", FAR, true),
            ("*.example.com", FAR, true),
            (".example.com", FAR, true),
            ("example.com", FAR, true),
            ("EXAMPLE.COM.", FAR, true),
            ("houston.example.com", FAR, true),
            ("other.example.org, *.Example.com", FAR, true),
            ("a b houston.example.com:443", FAR, true),
            ("houston.example.com:8443", FAR, false),
            ("*.other.example.org", FAR, false),
            ("\"*.example.com\"", FAR, true),
            ("'localhost,example.com'", FAR, true),
            ("localhost;.example.com", FAR, true),
            ("\"\"", FAR, false),
            ("ample.com", FAR, false),
            ("*ample.com", FAR, false),
            ("", FAR, false),
            (" , ,", FAR, false),
            ("example.com", "https://houston.example.com./v1", true),
            ("10.0.0.0/8", "https://10.1.2.3/v1", true),
            ("10.0.0.0/8", "https://11.1.2.3/v1", false),
            ("0.0.0.0/0", "https://11.1.2.3/v1", true),
            ("10.1.2.3:443", "https://10.1.2.3/v1", true),
            ("10.1.2.3", "https://10.1.2.4/v1", false),
            ("fd00::/8", "https://[fd00::1]/v1", true),
            ("[fd00::1]:443", "https://[fd00::1]/v1", true),
            ("fd00::1", "https://[fd00::1]/v1", true),
            ("fd00::/129", "https://[fd00::1]/v1", false),
        ] {
            let found = found(target, &[("https_proxy", "p:1"), ("no_proxy", list)]).unwrap();
            assert_eq!(matches!(found, Route::Direct), is_direct, "{list} {target}");
        }
    }

    #[test]
    fn the_status_of_an_answer_is_read_or_not_known() {
        for (line, status) in [
            (&b"HTTP/1.1 407 Proxy Authentication Required\r\nX: y"[..], Some(407)),
            (b"HTTP/1.0 200\r\n", Some(200)),
            (b"SSH-2.0 200\r\n", None),
            (b"HTTP/1.1 2000 x", None),
            (b"\xff", None),
            (b"", None),
        ] {
            assert_eq!(status_of(line), status);
        }
    }
}
