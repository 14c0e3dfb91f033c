//! Identities as types: one newtype for each kind of thing, cheap to clone.

/// Declares a newtype over shared text, so that two kinds of identity cannot be mixed up.
#[macro_export]
macro_rules! name_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The text of the identity.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<std::sync::Arc<str>> for $name {
            fn from(text: std::sync::Arc<str>) -> Self {
                Self(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    };
}

name_type!(
    /// Any other name: of a ruleset, a rule, a label group, an IP list, a service.
    Name
);
name_type!(
    /// The key of a label: `role`, `app`, `env`, `loc` or any other.
    LabelKey
);
name_type!(
    /// The value of a label under its key.
    LabelValue
);
name_type!(
    /// A workload: an instance of a cloud, a host, or an unmanaged thing with addresses.
    WorkloadId
);
name_type!(
    /// One network interface of a workload; unique over all workloads of a snapshot.
    InterfaceId
);
name_type!(
    /// A network in which addresses are unique: a VPC, a VNet.
    NetworkId
);
