//! Where ARM is, and which addresses may be called with its token.
//!
//! INVARIANT: a token goes to the endpoint's own origin only, and that is `https` or this machine itself.

use provider::{ErrorKind, ProviderError};
use url::{Host, Url};

/// The address of ARM: scheme, host, port and an optional path in front of every id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    base: Url,
    audience: String,
}

impl Endpoint {
    /// The public cloud.
    ///
    /// # Errors
    /// Never in practice: the address is known to be good.
    pub fn public() -> Result<Self, ProviderError> {
        Self::parse("https://management.azure.com")
    }

    /// An endpoint by its address: another cloud, or a simulator on this machine. A path is kept as a prefix.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when it is no address, or plain HTTP to another machine.
    pub fn parse(text: &str) -> Result<Self, ProviderError> {
        let base = Url::parse(text).map_err(|_| refused(text, "is no address"))?;
        if base.cannot_be_a_base() || base.query().is_some() || base.fragment().is_some() {
            return Err(refused(text, "has more than scheme, host, port and path"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refused(text, "carries credentials"));
        }
        if !may_see_token(&base) {
            return Err(refused(text, "would get the token unencrypted"));
        }
        let audience = format!("{}/.default", base.origin().ascii_serialization());
        Ok(Self { base, audience })
    }

    /// The same endpoint with tokens for another audience, such as `https://management.core.windows.net`.
    #[must_use]
    pub fn with_audience(self, audience: &str) -> Self {
        Self { audience: format!("{}/.default", audience.trim_end_matches('/')), ..self }
    }

    /// The scope that tokens are asked for.
    pub fn token_scope(&self) -> &str {
        &self.audience
    }

    /// Whether it is plain HTTP on this machine.
    pub fn is_simulator(&self) -> bool {
        self.base.scheme() == "http"
    }

    /// The address of a path below the endpoint, with a query.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when an id would lead elsewhere.
    pub fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, ProviderError> {
        // `..` would be resolved away: an id with one would name another resource than it seems to.
        let mut parts = path.split('/').skip(1);
        if !path.starts_with('/') || parts.any(|part| matches!(part, "" | "." | "..")) {
            return Err(refused(path, "is no path of a resource"));
        }
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.query_pairs_mut().clear().extend_pairs(query);
        Ok(url)
    }

    /// A link that the cloud gave: it must stay on the endpoint.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when it leads to another host, port or scheme.
    pub fn link(&self, text: &str) -> Result<Url, ProviderError> {
        let url = Url::parse(text).map_err(|_| refused(text, "is no address"))?;
        if url.origin() == self.base.origin() && url.username().is_empty() && url.password().is_none() {
            return Ok(url);
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut error = refused(&host, "is not the endpoint, but the cloud's answer leads there");
        error.hint = "the token is not sent there; check the endpoint of the scope".to_owned();
        Err(error)
    }
}

/// Whether a token may be sent to an address at all.
fn may_see_token(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.host().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && is_local))
}

fn refused(what: &str, why: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Rejected, "connect to Azure", format!("`{what}` {why}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_see_the_token() {
        for (text, good) in [
            ("https://management.azure.com", true),
            ("https://management.chinacloudapi.cn/", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080/azure", true),
            ("http://localhost:1", true),
            ("http://management.azure.com", false),
            ("http://127.0.0.1.example.org", false),
            ("http://localhost.example.org", false),
            ("http://10.0.0.1", false),
            ("ftp://127.0.0.1", false),
            ("https://user:secret@management.azure.com", false),
            ("https://management.azure.com?x=1", false),
            ("management.azure.com", false),
        ] {
            assert_eq!(Endpoint::parse(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_path_in_the_endpoint_stays_in_front() {
        let at = |base: &str| {
            let endpoint = Endpoint::parse(base).unwrap();
            endpoint.url("/subscriptions/a b", &[("api-version", "1")]).unwrap().to_string()
        };
        let public = "https://management.azure.com/subscriptions/a%20b?api-version=1";
        assert_eq!(at("https://management.azure.com"), public);
        assert_eq!(at("https://management.azure.com/"), public);
        assert_eq!(
            at("http://127.0.0.1:1/azure/x/"),
            "http://127.0.0.1:1/azure/x/subscriptions/a%20b?api-version=1"
        );
        let endpoint = Endpoint::parse("http://127.0.0.1:1").unwrap();
        for path in ["subscriptions", "//subscriptions", "/a/../b", "/a//b", "/a/."] {
            assert!(endpoint.url(path, &[]).is_err(), "{path}");
        }
        assert_eq!(
            endpoint.url("/a?b#c", &[]).unwrap().path(),
            "/a%3Fb%23c",
            "a name cannot break out of the path"
        );
    }

    #[test]
    fn links_stay_on_the_endpoint() {
        let endpoint = Endpoint::parse("https://management.azure.com/x").unwrap();
        for (link, good) in [
            ("https://management.azure.com/subscriptions?$skiptoken=1", true),
            ("https://MANAGEMENT.azure.com:443/subscriptions", true),
            ("http://management.azure.com/subscriptions", false),
            ("https://management.azure.com:8443/subscriptions", false),
            ("https://management.azure.com.example.org/", false),
            ("https://user@management.azure.com/", false),
            ("/subscriptions", false),
        ] {
            assert_eq!(endpoint.link(link).is_ok(), good, "{link}");
        }
    }
}
