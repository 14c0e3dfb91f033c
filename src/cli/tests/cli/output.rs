//! What the binary prints: forms of the report, colour, completions.

use crate::lab::{Lab, POLICY, Ran, binary};

#[test]
fn colour_is_for_terminals_only() {
    let lab = Lab::new();
    let colour = |arguments: &[&str], force: bool| {
        let mut command = lab.command(arguments);
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("BULKHEAD_LOG", "info");
        if force {
            command.env("CLICOLOR_FORCE", "1");
        }
        Ran::of(&mut command).text.contains('\u{1b}')
    };
    for arguments in
        [["plan"].as_slice(), &["run", "--passes", "1"], &["explain", "nobody", "web-1", "tcp/22"]]
    {
        assert!(!colour(arguments, false), "{arguments:?}");
        assert!(colour(arguments, true), "{arguments:?}");
    }
    lab.policy(&POLICY.replace("role=web]", "role=wbe]"));
    assert!(!colour(&["plan"], false) && colour(&["plan"], true), "a mistake in a file");
}

#[test]
fn the_report_has_a_form_for_pull_requests_and_one_for_programs() {
    let lab = Lab::new();
    let markdown = lab.run(&["plan", "--format", "markdown"]).out;
    assert!(markdown.starts_with("## ✅ PROVEN: "), "{markdown}");
    let opens = "- role=web env=prod → role=db env=prod  tcp/5432  opens";
    for part in ["### Opens (", opens, "### Proof", "### Steps, in order (", "### Quota"] {
        assert!(markdown.contains(part), "`{part}` is missing in:\n{markdown}");
    }
    let plan: serde_json::Value = serde_json::from_str(&lab.run(&["plan", "--format", "json"]).out).unwrap();
    assert_eq!(plan["format_version"], 1);
    assert_eq!((&plan["installation"], &plan["proof"]["equivalent"]), (&"lab".into(), &true.into()));
    assert!(!plan["steps"].as_array().unwrap().is_empty());
    let file = lab.path("plan.json");
    lab.run(&["plan", "-o", &file.display().to_string()]);
    let stored: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(stored, plan, "one form, printed or stored");
}

#[test]
fn a_plan_leaves_nothing_behind() {
    let lab = Lab::new();
    assert_eq!(lab.run(&["plan"]).status, 0);
    assert!(!lab.path("state").exists());
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = Ran::of(&mut binary(&["completions", shell]));
        assert_eq!(ran.status, 0, "{}", ran.text);
        for word in ["bulkhead", "explain", "allow-equivalent"] {
            assert!(ran.out.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(Ran::of(&mut binary(&["completions", "cmd"])).status, 2);
}
