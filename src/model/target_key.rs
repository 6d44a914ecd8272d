//! When two URLs name the same Houston.
//!
//! Main function: [`target_key`]. Pure: it parses text and resolves nothing.

use std::net::IpAddr;

use url::{Host, Url};

/// The path of the GraphQL endpoint.
pub const ENDPOINT: &str = "/v1";

/// The key of the Houston at this URL: the case of the host, a trailing dot, the default port and a
/// trailing slash make no difference, and all names and numbers of this machine are one. Nothing is
/// resolved. Not for people, and nothing is sent to it. A text that is not a URL is its own key.
pub fn target_key(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), |url| key_of(&url))
}

/// Whether two URLs are spellings of one target.
pub fn is_same_target(one: &str, other: &str) -> bool {
    one == other || target_key(one) == target_key(other)
}

fn key_of(url: &Url) -> String {
    let host = url.host().map(|host| host.to_owned());
    let host = match host {
        Some(host) if is_loopback(&host) => "localhost".to_owned(),
        Some(Host::Domain(name)) => name.trim_end_matches('.').to_lowercase(),
        Some(Host::Ipv4(ip)) => ip.to_string(),
        Some(Host::Ipv6(ip)) => format!("[{ip}]"),
        None => return url.as_str().to_owned(),
    };
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let path = url.path().trim_end_matches('/');
    let path = if path.is_empty() { ENDPOINT } else { path };
    format!("{}://{host}{port}{}", url.scheme(), unescaped(path))
}

/// A path without needless escapes: `%76` and `v` are one letter.
fn unescaped(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let escape = rest.get(at..at + 3).unwrap_or(&rest[at..]);
        let byte = u8::from_str_radix(escape.get(1..).unwrap_or_default(), 16).ok();
        match byte.filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')) {
            Some(byte) => plain.push(char::from(byte)),
            None => plain.push_str(&escape.to_uppercase()),
        }
        rest = &rest[at + escape.len()..];
    }
    plain + rest
}

/// Whether this host is the machine itself.
pub fn is_loopback(host: &Host<String>) -> bool {
    match host {
        // A name below `localhost` may be a name in any DNS.
        Host::Domain(name) => name == "localhost" || name == "localhost.",
        Host::Ipv4(ip) => IpAddr::V4(*ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(*ip).is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_target_have_one_key() {
        let key = target_key;
        for (one, other) in [
            ("https://houston.example.com/v1", "HTTPS://Houston.Example.com:443/v1/"),
            ("https://houston.example.com/v1", "https://houston.example.com."),
            ("https://houston.example.com/v1", "https://houston.example.com/%76%31"),
            ("https://houston.example.com:8443", "https://houston.example.com.:8443/v1"),
            ("http://localhost:8871/v1", "http://127.0.0.1:8871/"),
            ("http://localhost:8871/v1", "http://[::1]:8871/v1"),
            ("http://localhost:8871/v1", "http://LOCALHOST.:8871/v1"),
            ("http://localhost/v1", "http://127.0.0.1:80/v1"),
            ("https://m\u{fc}nchen.example/v1", "https://xn--mnchen-3ya.example/v1"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
            assert!(is_same_target(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("https://houston.example.com/v1", "https://houston.example.org/v1"),
            ("https://houston.example.com/v1", "https://houston.example.com:8443/v1"),
            ("https://houston.example.com/v1", "https://houston.example.com/v2"),
            ("https://houston.example.com/v1", "https://houston.example.com/V1"),
            ("http://localhost:1/v1", "http://localhost:2/v1"),
            ("http://localhost:1/v1", "https://localhost:1/v1"),
        ] {
            assert_ne!(key(one), key(other), "{one} {other}");
        }
        // Ordinary targets keep the key that they had.
        assert_eq!(key("https://houston.example.com/v1"), "https://houston.example.com/v1");
        assert_eq!((target_key("a sandbox"), target_key("")), ("a sandbox".to_owned(), String::new()));
    }
}
