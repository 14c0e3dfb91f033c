//! Where the services are, and which addresses may be called with their token.
//!
//! Compute Engine and Resource Manager are different hosts, and tag bindings of zonal resources belong to a Resource
//! Manager of their zone. One address for everything (a simulator, a gateway) gets the host as the first part of the
//! path.
//!
//! INVARIANT: addresses are only built here, never taken from an answer, and a token goes to `https` or this machine.

use provider::{ErrorKind, ProviderError};
use url::{Host, Url};

/// One service at one place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Service {
    /// Compute Engine v1: paths begin with `projects/` or `locations/`.
    Compute,
    /// The global Resource Manager v3: paths begin with a collection such as `tagKeys`.
    Manager,
    /// Cloud Logging v2: the one path is `entries:list`.
    Logging,
    /// The Resource Manager of a zone or region, such as `europe-west1-b`.
    ManagerOf(String),
}

/// The addresses of the services.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    at: At,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum At {
    /// A cloud by its domain, such as `googleapis.com`.
    Universe(String),
    /// One address for everything.
    One(Url),
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { at: At::Universe("googleapis.com".to_owned()) }
    }
}

impl Endpoint {
    /// The public cloud.
    pub fn public() -> Self {
        Self::default()
    }

    /// Another cloud by its domain.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when it is no name of a host.
    pub fn universe(domain: &str) -> Result<Self, ProviderError> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if !domain.contains('.') || !domain.chars().all(good) {
            return Err(refused(domain, "is no domain of a cloud"));
        }
        Ok(Self { at: At::Universe(domain.to_owned()) })
    }

    /// One address for all services: a simulator on this machine, or a gateway. A path is kept as a prefix.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when it is no address, or plain HTTP to another machine.
    pub fn parse(text: &str) -> Result<Self, ProviderError> {
        let base = Url::parse(text).map_err(|_| refused("the endpoint", "is no address"))?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refused("the endpoint", "carries credentials"));
        }
        if base.cannot_be_a_base() || base.query().is_some() || base.fragment().is_some() {
            return Err(refused(text, "has more than scheme, host, port and path"));
        }
        if !may_see_token(&base) {
            return Err(refused(text, "would get the token unencrypted"));
        }
        Ok(Self { at: At::One(base) })
    }

    /// The address of a path of a service, with a query.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when a part of the path would lead elsewhere, or the place is none.
    pub fn url(&self, service: &Service, path: &str, query: &[(&str, &str)]) -> Result<Url, ProviderError> {
        // `..` would be resolved away: a path with one would name another resource than it seems to.
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(refused(path, "is no path of a resource"));
        }
        let (host, version) = host_of(service)?;
        let mut url = match &self.at {
            At::Universe(domain) => {
                Url::parse(&format!("https://{host}.{domain}")).map_err(|_| refused(&host, "is no host"))?
            }
            At::One(base) => base.clone(),
        };
        let prefix = match &self.at {
            At::Universe(_) => String::new(),
            At::One(base) => {
                format!("{}/{host}.googleapis.com", base.path().trim_end_matches('/'))
            }
        };
        url.set_path(&format!("{prefix}/{version}/{path}"));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

/// The first word of a service's host, and what its paths begin with.
fn host_of(service: &Service) -> Result<(String, &'static str), ProviderError> {
    match service {
        Service::Compute => Ok(("compute".to_owned(), "compute/v1")),
        Service::Manager => Ok(("cloudresourcemanager".to_owned(), "v3")),
        Service::Logging => Ok(("logging".to_owned(), "v2")),
        Service::ManagerOf(place) => {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if place.is_empty() || !place.chars().all(good) {
                return Err(refused(place, "is no zone or region"));
            }
            Ok((format!("{place}-cloudresourcemanager"), "v3"))
        }
    }
}

/// Whether a token may be sent to an address at all.
pub(crate) fn may_see_token(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.host().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && is_local))
}

fn refused(what: &str, why: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Rejected, "connect to Google Cloud", format!("`{what}` {why}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_see_the_token() {
        for (text, good) in [
            ("https://gateway.example", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080/gcp", true),
            ("http://localhost:1", true),
            ("http://compute.googleapis.com", false),
            ("http://127.0.0.1.example.org", false),
            ("http://10.0.0.1", false),
            ("ftp://127.0.0.1", false),
            ("https://user:secret@gateway.example", false),
            ("https://gateway.example?x=1", false),
            ("gateway.example", false),
        ] {
            assert_eq!(Endpoint::parse(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn each_service_has_its_host() {
        let public = Endpoint::public();
        let at = |endpoint: &Endpoint, service: Service, path: &str| {
            endpoint.url(&service, path, &[]).map(|url| url.to_string()).unwrap_or_default()
        };
        assert_eq!(
            at(&public, Service::Compute, "projects/p/global/networks"),
            "https://compute.googleapis.com/compute/v1/projects/p/global/networks"
        );
        let zone = Service::ManagerOf("europe-west1-b".to_owned());
        let bindings = "https://europe-west1-b-cloudresourcemanager.googleapis.com/v3/tagBindings";
        assert_eq!(at(&public, zone.clone(), "tagBindings"), bindings);
        let one = Endpoint::parse("http://127.0.0.1:1/x/").unwrap();
        assert_eq!(
            at(&one, zone, "tagBindings"),
            "http://127.0.0.1:1/x/europe-west1-b-cloudresourcemanager.googleapis.com/v3/tagBindings"
        );
        assert_eq!(at(&public, Service::ManagerOf("evil.example/".to_owned()), "tagBindings"), "");
        assert!(Endpoint::universe("googleapis.example").is_ok() && Endpoint::universe("a/b.c").is_err());
    }

    #[test]
    fn a_name_cannot_break_out_of_the_path() {
        let endpoint = Endpoint::public();
        for path in ["projects//x", "projects/../x", "projects/.", "", "/projects"] {
            assert!(endpoint.url(&Service::Compute, path, &[]).is_err(), "{path}");
        }
        let url = endpoint.url(&Service::Compute, "projects/a?b#c", &[("filter", "a = b&c")]).unwrap();
        assert_eq!(url.path(), "/compute/v1/projects/a%3Fb%23c");
        assert_eq!(url.query(), Some("filter=a+%3D+b%26c"));
    }
}
