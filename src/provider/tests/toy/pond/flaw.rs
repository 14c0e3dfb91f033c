//! Ways in which the driver (or its scope) can be wrong: what the teeth of the suite are tried on.

use plan::StepAction;

/// One way to be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// None: the driver as it should be.
    None,
    /// A mark with the time in it is drift as soon as time passes.
    StampsTheTime,
    /// Stops after the first page.
    SkipsTheSecondPage,
    /// Takes a page that fails for the end of the list.
    SwallowsReadErrors,
    /// Sends what is there already.
    WritesWhatIsTrue,
    /// `after` keeps groups that are deleted.
    PredictsNoDeletion,
    /// `estimate` counts no call for taking a port out.
    CountsNoDetach,
    /// Says nothing of its calls when one fails.
    HidesCalls,
    /// Sends again what somebody else's change got in the way of.
    ForcesOverConflicts,
    /// Sends again what was throttled.
    RetriesWhenThrottled,
    /// A service that fails is a mistake of ours.
    CallsFailuresRejected,
    /// After a lost answer it makes a second object under another name.
    RenamesAfterALostAnswer,
    /// Creates first and marks in a second call.
    MarksLater,
    /// Sees only rules that it wrote.
    SeesOnlyItsRules,
    /// A rule that it wrote once is there.
    TrustsWrittenRules,
    /// A member that it put in once is there.
    TrustsWrittenMembers,
    /// An object that it made once is there.
    TrustsMadeObjects,
    /// Sets the teams of a port without those of others.
    OverwritesForeignTeams,
    /// Whatever begins with its name is its own.
    OwnsByPrefix,
    /// Knows the quotas by heart.
    GuessesLimits,
    /// Takes TCP for UDP, writing and reading.
    SwapsTcpAndUdp,
    /// Writes the blocks of IPv6 as single addresses, and reads them back as blocks.
    NarrowsIpv6,
    /// `semantics` does not look at teams of others.
    ForgetsForeignTeams,
    /// Rules are added by writing the whole list anew.
    RewritesToAdd,
    /// Rules are removed by writing the whole list anew.
    RewritesToRemove,
    /// Takes a port out of the old team before it puts it into the new one.
    DetachesBeforeAttaching,
    /// The scope settles at once, and the data plane does not.
    ForgetsToSettle,
}

impl Flaw {
    /// The call that a step needs, and how often.
    pub fn calls(self, action: &StepAction) -> (&'static str, u32) {
        let rewrites = |flaw: Self| if self == flaw { 2 } else { 1 };
        match action {
            StepAction::CreateGroup { .. } => ("create_team", rewrites(Self::MarksLater)),
            StepAction::Mark { .. } => ("mark", 1),
            StepAction::AddRules { .. } => ("set_grants", rewrites(Self::RewritesToAdd)),
            StepAction::RemoveRules { .. } => ("set_grants", rewrites(Self::RewritesToRemove)),
            StepAction::Attach { .. } => ("set_teams", rewrites(Self::DetachesBeforeAttaching)),
            StepAction::Detach { .. } => ("set_teams", u32::from(self != Self::CountsNoDetach)),
            StepAction::DeleteGroup { .. } => ("delete_team", 1),
        }
    }
}
