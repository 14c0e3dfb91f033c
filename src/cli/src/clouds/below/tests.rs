//! Scopes that are found.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use policy::file::SourceFile;

use super::*;

#[test]
fn each_account_gets_a_scope_unless_it_has_one() {
    let text = "installation: shop\nscopes:\n\
        - { name: all, provider: gcp, below: folders/7, enforce: true }\n\
        - { name: own, provider: gcp, account: shop-prod-1 }\n";
    let config = Config::parse(&SourceFile { name: "bulkhead.yaml".to_owned(), text: text.to_owned() });
    let config = config.unwrap_or_else(|errors| panic!("{errors:#?}"));
    let found = ["shop-prod-1", "shop-dev-1", "example.com:old-1", "shop-dev-1"].map(str::to_owned);
    let scopes = for_each(&config.scopes[0], found.into(), &config.scopes);
    let named: Vec<_> =
        scopes.iter().map(|one| (one.scope.id.as_str(), one.scope.account.as_str())).collect();
    assert_eq!(named, [("all.example.com_old-1", "example.com:old-1"), ("all.shop-dev-1", "shop-dev-1")]);
    assert!(scopes.iter().all(|one| one.scope.enforce && one.below.is_none()));
}
