//! The statements of policy semantics, one or more tests each, the number in the name. Worlds and flows are
//! lines of the language in `dsl`; expected is the part of the decision that matters.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dsl;
#[path = "statements/ends.rs"]
mod ends;
#[path = "statements/order.rs"]
mod order;
#[path = "statements/scopes.rs"]
mod scopes;
#[path = "statements/sides.rs"]
mod sides;

/// Checks flows of a world, on the oracle and on the compiled policy.
fn check(lines: &[&str], flows: &[&str]) {
    dsl::check_with(policy::decide, lines, flows);
    let compiled = |snapshot: &policy::Snapshot, flow: &policy::Flow| {
        let compilation = policy::compile(snapshot);
        policy::Evaluator::new(&compilation.policy, snapshot).decide(flow)
    };
    dsl::check_with(compiled, lines, flows);
}

/// Checks flows between the workloads of a small shop, all in full mode in one network.
fn check_shop(rules: &[&str], flows: &[&str]) {
    check(&shop(rules), flows);
}

fn shop<'a>(rules: &[&'a str]) -> Vec<&'a str> {
    let shop = [
        "web-prod: role=web app=shop env=prod loc=eu @10.0.0.1 vpc=a",
        "db-prod: role=db app=shop env=prod loc=eu @10.0.0.2 vpc=a",
        "web-dev: role=web app=shop env=dev loc=eu @10.0.0.3 vpc=a",
        "db-dev: role=db app=shop env=dev loc=us @10.0.0.4 vpc=a",
        "web-test: role=web app=shop env=test @10.0.0.5 vpc=a",
        "db-test: role=db app=shop env=test @10.0.0.6 vpc=a",
        "web-blog: role=web app=blog env=prod loc=us @10.0.0.7 vpc=a",
        "db-blog: role=db app=blog env=prod @10.0.0.8 vpc=a",
        "bare: @10.0.0.9 vpc=a",
        "erp: role=db app=erp env=prod @192.0.2.10",
        "group nonprod: env=dev env=test",
        "group all-env: env=prod group:nonprod",
        "group nobody: key=env",
        "list office: 203.0.113.0/24 not 203.0.113.66",
        "list ten: 10.0.0.0/8",
    ];
    [&shop, rules].concat()
}
