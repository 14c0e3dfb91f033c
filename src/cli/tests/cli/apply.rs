//! `bulkhead apply` as its user runs it: stored plans, and what is left behind for the auditor.

use std::path::Path;

use crate::lab::{Lab, POLICY, Ran};

fn plan_of(lab: &Lab) -> serde_json::Value {
    serde_json::from_str(&lab.run(&["plan", "--format", "json"]).out).unwrap()
}

#[test]
fn the_audit_line_says_who_did_what() {
    let lab = Lab::new();
    let plan = plan_of(&lab);
    assert_eq!(lab.run(&["apply"]).status, 0);
    let [line] = lab.audit().try_into().unwrap();
    assert_eq!((&line["who"], &line["installation"]), (&"tester".into(), &"lab".into()));
    assert_eq!((&line["plan"], &line["policy_digest"]), (&plan["base"], &plan["policy_digest"]));
    assert!(line["policy_digest"].as_str().is_some_and(|digest| digest.len() == 64), "{line}");
    assert_eq!(line["overridden_guards"], serde_json::json!([]));
    let at = line["at"].as_str().unwrap();
    assert!(at.len() > 19 && at.ends_with('Z'), "{at}");

    let steps = line["steps"].as_array().unwrap();
    assert_eq!(steps.len(), plan["steps"].as_array().unwrap().len());
    let calls: Vec<&serde_json::Value> =
        steps.iter().flat_map(|step| step["calls"].as_array().unwrap()).collect();
    assert_eq!(calls.len(), lab.mutations());
    for call in calls {
        let (action, request) = (call[0].as_str().unwrap(), call[1].as_str().unwrap());
        assert!(!action.is_empty() && request.len() > 8, "{call}");
    }
    for step in steps {
        assert_eq!((&step["outcome"], &step["scope"]), (&"done".into(), &"s0".into()), "{step}");
        assert_eq!(step["before"], serde_json::json!([]), "everything is new: {step}");
        assert!(!step["after"].as_array().unwrap().is_empty(), "{step}");
    }
    let after = |word: &str| steps.iter().filter(|step| step["after"].to_string().contains(word)).count();
    assert!(after("tcp/5432") == 3, "one ingress, two egress: {line}");
    assert!(steps.iter().any(|step| step["object"].as_str().unwrap().starts_with("eni-")));
}

#[test]
fn the_audit_line_says_what_was_there_before() {
    let lab = Lab::new();
    lab.configure_too("guards: { allow: [protect, remove-rules] }");
    assert_eq!(lab.run(&["apply"]).status, 0);
    lab.policy(&POLICY.replace("tcp/5432", "tcp/5433"));
    assert_eq!(lab.run(&["apply", "--allow", "lose-peer", "--allow", "protect"]).status, 0);
    let [_, line] = lab.audit().try_into().unwrap();
    // The configuration's and the command line's.
    assert_eq!(line["overridden_guards"], serde_json::json!(["lose-peer", "protect", "remove-rules"]));
    let steps = line["steps"].as_array().unwrap();
    let texts = |key: &str| -> String { steps.iter().map(|step| step[key].to_string()).collect() };
    assert!(texts("before").contains("tcp/5432") && !texts("before").contains("tcp/5433"), "{line}");
    assert!(texts("after").contains("tcp/5433") && !texts("after").contains("tcp/5432"), "{line}");
}

#[test]
fn a_pass_of_run_records_the_overridden_guards_too() {
    let lab = Lab::new();
    lab.configure_too("guards: { allow: [protect] }");
    assert_eq!(lab.run(&["run", "--passes", "1", "--allow", "lose-peer"]).status, 0);
    assert_eq!(lab.audit()[0]["overridden_guards"], serde_json::json!(["lose-peer", "protect"]));
}

#[test]
fn a_stored_plan_is_true_in_another_checkout() {
    let lab = Lab::new();
    let file = lab.path("plan.json").display().to_string();
    assert_eq!(lab.run(&["plan", "-o", &file]).status, 0);
    let elsewhere = lab.path("ci/2");
    copy(&lab.path("bulkhead.yaml"), &elsewhere.join("infra/bulkhead.yaml"));
    copy(&lab.path("policy/policy.yaml"), &elsewhere.join("infra/policy/policy.yaml"));
    let digest = |config: &str, folder: &Path| {
        let mut command = lab.bare(&["plan", "--format", "json", "--config", config]);
        let plan: serde_json::Value =
            serde_json::from_str(&Ran::of(command.current_dir(folder)).out).unwrap();
        plan["policy_digest"].as_str().unwrap().to_owned()
    };
    let infra = elsewhere.join("infra");
    let whole = infra.join("bulkhead.yaml").display().to_string();
    assert_eq!(digest("infra/bulkhead.yaml", &elsewhere), digest("bulkhead.yaml", &infra));
    assert_eq!(digest("infra/bulkhead.yaml", &elsewhere), digest(&whole, Path::new("/")));
    let ran = Ran::of(lab.bare(&["apply", &file]).current_dir(&infra));
    assert_eq!(ran.status, 0, "{}", ran.text);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
}

#[test]
fn a_plan_of_another_format_is_refused() {
    let lab = Lab::new();
    let file = lab.path("plan.json").display().to_string();
    lab.run(&["plan", "-o", &file]);
    let mut plan = plan_of(&lab);
    for (version, says) in
        [(serde_json::json!(2), "format version 2"), (serde_json::Value::Null, "format version 0")]
    {
        plan["format_version"] = version;
        std::fs::write(&file, plan.to_string()).unwrap();
        lab.refuses(&["apply", &file], 1, &[says, "this program reads 1", "bulkhead plan -o FILE"]);
    }
    std::fs::write(&file, "not json").unwrap();
    lab.refuses(&["apply", &file], 1, &["the file is not a plan", "plan.json"]);
}

#[test]
fn a_stored_plan_overrides_the_guards_that_it_was_told_to() {
    let lab = Lab::new();
    let file = lab.path("plan.json").display().to_string();
    assert_eq!(lab.run(&["apply"]).status, 0);
    lab.policy(&POLICY.replace("tcp/5432", "tcp/5433"));
    lab.run(&["plan", "-o", &file]);
    lab.refuses(&["apply", &file], 4, &["lose-peer", "--allow lose-peer"]);

    let told = ["plan", "--allow", "lose-peer", "-o", &file];
    lab.refuses(&told, 0, &["Overridden guards (1)", "lose-peer: by --allow, stored in the plan"]);
    let markdown = ["plan", "--allow", "lose-peer", "--format", "markdown"];
    lab.refuses(&markdown, 0, &["### Overridden guards (1)\n\n- `lose-peer`: by --allow"]);
    let plan: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(plan["overridden_guards"], serde_json::json!({ "lose-peer": "command_line" }));
    let ran = lab.run(&["apply", &file]);
    assert_eq!(ran.status, 0, "{}", ran.text);
    assert!(ran.text.contains("the plan overrides guards, as it was told to: lose-peer"), "{}", ran.text);
    assert_eq!(lab.audit()[1]["overridden_guards"], serde_json::json!(["lose-peer"]));
}

/// What the configuration allowed when the plan was made is shown, and holds as long as it does.
#[test]
fn a_stored_plan_does_not_keep_what_the_configuration_takes_back() {
    let lab = Lab::new();
    let file = lab.path("plan.json").display().to_string();
    assert_eq!(lab.run(&["apply"]).status, 0);
    lab.policy(&POLICY.replace("tcp/5432", "tcp/5433"));
    lab.configure_too("guards: { allow: [lose-peer] }");
    lab.refuses(&["plan", "-o", &file], 0, &["lose-peer: by the configuration"]);
    lab.reconfigure("allow: [lose-peer]", "allow: []");
    lab.refuses(&["apply", &file], 4, &["lose-peer"]);
    assert_eq!(lab.run(&["apply", &file, "--allow", "lose-peer"]).status, 0);
}

#[test]
fn a_stored_plan_that_says_nothing_of_guards_overrides_none() {
    let lab = Lab::new();
    let file = lab.path("plan.json").display().to_string();
    assert_eq!(lab.run(&["apply"]).status, 0);
    lab.policy(&POLICY.replace("tcp/5432", "tcp/5433"));
    lab.run(&["plan", "--allow", "lose-peer", "-o", &file]);
    let mut plan: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    plan["overridden_guards"] = serde_json::json!({ "quota": "command_line" });
    std::fs::write(&file, plan.to_string()).unwrap();
    lab.refuses(
        &["apply", &file],
        1,
        &["plan.json", "the plan overrides `quota`, which is no guard", "plan -o"],
    );
    plan.as_object_mut().unwrap().remove("overridden_guards");
    std::fs::write(&file, plan.to_string()).unwrap();
    lab.refuses(&["apply", &file], 4, &["lose-peer"]);
}

#[test]
fn an_equivalent_plan_needs_a_plan() {
    let lab = Lab::new();
    lab.refuses(&["apply", "--allow-equivalent"], 2, &["required", "<FILE>"]);
}
