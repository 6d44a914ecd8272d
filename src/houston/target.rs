//! Where Houston is: an address given as a URL or as a base domain.
//!
//! Main type: [`Target`]. Logins of the official client are read by [`super::context`]. Plain HTTP
//! and the hosted product are refused here, before any request is sent.

use std::fmt;

use url::Url;

use crate::model::target_key::{ENDPOINT, is_loopback};

/// The domains of the hosted product, which is another API with another kind of token.
const HOSTED: &[&str] = &[
    "astronomer.io",
    "astronomer-dev.io",
    "astronomer-stage.io",
    "astronomer-perf.io",
    "astronomer-preview.io",
];

/// The address of a Houston.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
}

/// An address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No URL at all.
    #[error("`{0}` is not a URL such as https://houston.example.com/v1")]
    NotAUrl(String),
    /// Not a name.
    #[error("`{0}` is not a domain such as example.com")]
    NotADomain(String),
    /// A scheme other than HTTP.
    #[error("the URL of Houston begins with https://, not with {0}://")]
    Scheme(String),
    /// Plain HTTP over a network.
    #[error(
        "plain http:// would show the token to the network; it is allowed for this machine only, not for {0}"
    )]
    PlainHttp(String),
    /// A password in the URL.
    #[error("the URL of Houston must not contain a user name or a password")]
    Credentials,
    /// More than an address.
    #[error("the URL of Houston has no query and no fragment")]
    Extras,
    /// The hosted product.
    #[error(
        "{0} belongs to the hosted product (Astro), which has another API; this tool is for Astro Private Cloud"
    )]
    Hosted(String),
}

impl Target {
    /// The Houston at this URL; without a path, at its usual path `/v1`.
    pub fn from_url(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        let shown = || text.split_once('@').map_or(text, |(_, host)| host).to_owned();
        let mut url = Url::parse(text).map_err(|_| TargetError::NotAUrl(shown()))?;
        let scheme = url.scheme().to_owned();
        let host = match url.host() {
            Some(host) if scheme == "https" || scheme == "http" => host.to_owned(),
            Some(_) => return Err(TargetError::Scheme(scheme)),
            None => return Err(TargetError::NotAUrl(shown())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(TargetError::Extras);
        }
        if scheme == "http" && !is_loopback(&host) {
            return Err(TargetError::PlainHttp(host.to_string()));
        }
        if is_hosted(&host.to_string()) {
            return Err(TargetError::Hosted(host.to_string()));
        }
        if url.path() == "/" {
            url.set_path(ENDPOINT);
        } else if let Some(path) = url.path().strip_suffix('/').map(str::to_owned) {
            url.set_path(&path);
        }
        Ok(Self { url })
    }

    /// The Houston of an installation with this base domain. A scheme, a slash at the end and a
    /// leading `app.` or `houston.`, as copied from a browser, are left out.
    pub fn from_domain(text: &str) -> Result<Self, TargetError> {
        let domain = base_domain(text).ok_or_else(|| TargetError::NotADomain(text.trim().to_owned()))?;
        Self::from_url(&format!("https://houston.{domain}{ENDPOINT}")).map_err(|error| match error {
            TargetError::NotAUrl(_) => TargetError::NotADomain(text.trim().to_owned()),
            other @ (TargetError::NotADomain(_)
            | TargetError::Scheme(_)
            | TargetError::PlainHttp(_)
            | TargetError::Credentials
            | TargetError::Extras
            | TargetError::Hosted(_)) => other,
        })
    }

    /// The URL that requests go to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Host, and port where it is not the usual one: for people.
    pub fn label(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.url.host().is_some_and(|host| is_loopback(&host.to_owned()))
    }

    /// Whether TLS protects the way.
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.url.as_str())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.url)
    }
}

/// Whether this host belongs to the hosted product.
pub(super) fn is_hosted(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_below =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    HOSTED.iter().any(|domain| is_below(domain))
}

/// The base domain in what people paste.
fn base_domain(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix("https://").unwrap_or(&text).trim_end_matches('/');
    let text = text.strip_prefix("app.").or_else(|| text.strip_prefix("houston.")).unwrap_or(text);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let is_plain =
        !text.is_empty() && text.chars().all(is_name) && !text.starts_with('.') && !text.contains("..");
    is_plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_as_it_stands_and_gets_the_usual_path() {
        for (text, url) in [
            ("https://houston.example.com/v1", "https://houston.example.com/v1"),
            (" https://houston.example.com ", "https://houston.example.com/v1"),
            ("https://houston.example.com:443/v1/", "https://houston.example.com/v1"),
            ("https://houston.example.com:8443/api/v1", "https://houston.example.com:8443/api/v1"),
            ("http://localhost:8871/v1", "http://localhost:8871/v1"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1/v1"),
            ("http://[::1]:1/", "http://[::1]:1/v1"),
            ("http://localhost.:1/", "http://localhost.:1/v1"),
            // Numbers in other spellings are what is connected to, and are shown as that.
            ("http://2130706433:1/", "http://127.0.0.1:1/v1"),
            ("http://0x7f.1:1/", "http://127.0.0.1:1/v1"),
            ("https://astronomer.io.example.com", "https://astronomer.io.example.com/v1"),
        ] {
            assert_eq!(Target::from_url(text).unwrap().to_string(), url, "{text}");
        }
    }

    #[test]
    fn a_url_that_would_lead_astray_is_refused() {
        let error = |text| Target::from_url(text).unwrap_err();
        for text in ["", "houston.example.com", "https://", "/v1"] {
            assert!(matches!(error(text), TargetError::NotAUrl(_)), "{text}");
        }
        assert_eq!(
            error("http://houston.example.com/v1"),
            TargetError::PlainHttp("houston.example.com".into())
        );
        assert_eq!(error("http://10.0.0.1/v1"), TargetError::PlainHttp("10.0.0.1".into()));
        assert_eq!(
            error("http://localhost.example.com/v1"),
            TargetError::PlainHttp("localhost.example.com".into())
        );
        for name in ["x.localhost", "localhost.localdomain", "0.0.0.0", "houston", "127.0.0.1.example.com"] {
            let url = format!("http://{name}/v1");
            assert_eq!(Target::from_url(&url).unwrap_err(), TargetError::PlainHttp(name.into()));
        }
        assert!(matches!(error("http://[::]/v1"), TargetError::PlainHttp(_)));
        assert!(matches!(error("http://3232235521/v1"), TargetError::PlainHttp(_)), "192.168.0.1");
        assert_eq!(error("ftp://example.com"), TargetError::Scheme("ftp".into()));
        assert_eq!(error("https://me:hush@example.com/v1"), TargetError::Credentials);
        assert!(!error("me:hush@example.com").to_string().contains("hush"));
        assert_eq!(error("https://example.com/v1?token=x"), TargetError::Extras);
        assert_eq!(error("https://api.astronomer.io/v1"), TargetError::Hosted("api.astronomer.io".into()));
    }

    #[test]
    fn a_domain_is_taken_however_it_was_pasted() {
        for text in [
            "example.com",
            "Example.com",
            "https://app.example.com/",
            "houston.example.com",
            " https://example.com ",
        ] {
            let target = Target::from_domain(text).unwrap();
            assert_eq!(target.to_string(), "https://houston.example.com/v1", "{text}");
        }
        assert_eq!(Target::from_domain("example.com:8443").unwrap().label(), "houston.example.com:8443");
        for text in ["", "  ", "example.com/v1", "a b", "..", "user@example.com", "http://example.com"] {
            assert!(matches!(Target::from_domain(text), Err(TargetError::NotADomain(_))), "{text}");
        }
        for text in ["astronomer.io", "cloud.astronomer.io", "https://app.astronomer-dev.io"] {
            assert!(matches!(Target::from_domain(text), Err(TargetError::Hosted(_))), "{text}");
        }
        assert!(Target::from_domain("notastronomer.io").is_ok());
    }
}
