//! What the binary prints: forms of the report, colour, completions.

use crate::lab::{Lab, POLICY, Ran};

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
