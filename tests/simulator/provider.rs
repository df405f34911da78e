//! The resources that environments are attached to, behind a provider that fails: a probe is answered late, twice, out of order
//! or by another resource than was bound; a credential is refused; what was proven is gone. What it answered is kept for the
//! laws. The trap avoided: a provider that can only say no; whoever asked may have lost its lease when it says yes.

use crate::{
    dice::Dice,
    sins::{Sin, committed},
};
use rhone_domain::{
    binding::{Credential, Probed},
    ids::{BindingId, OperationId, ValueId},
};
use std::collections::{BTreeMap, BTreeSet};

/// How a resource behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Works,
    /// Nothing answers.
    Silent,
    /// No credential is good enough.
    Refuses,
    /// Something else answers in its place.
    Another,
}

/// What a probe asks: for which operation, of which binding, with which credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    nth: u64,
    operation: OperationId,
    binding: BindingId,
    credential: Option<ValueId>,
}

struct Resource {
    identity: String,
    mood: Mood,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Provider {
    resources: BTreeMap<BindingId, Resource>,
    /// Credentials that nothing accepts.
    revoked: BTreeSet<ValueId>,
    questions: u64,
    asked: Vec<Question>,
    answers: Vec<(Question, Probed)>,
    proven: BTreeSet<(OperationId, BindingId, Option<ValueId>, String)>,
    /// How often it answered a probe once more.
    pub(crate) twice: usize,
}

impl Provider {
    /// What a binding's address leads to.
    pub(crate) fn offer(&mut self, binding: BindingId, identity: String) {
        self.resources.insert(binding, Resource { identity, mood: Mood::Works });
    }

    pub(crate) fn revoke(&mut self, credential: ValueId) {
        self.revoked.insert(credential);
    }

    /// A probe is sent.
    pub(crate) fn ask(
        &mut self,
        operation: OperationId,
        binding: BindingId,
        credential: Option<Credential>,
    ) -> Question {
        self.questions += 1;
        let credential = credential.map(|credential| credential.value);
        let question = Question { nth: self.questions, operation, binding, credential };
        self.asked.push(question);
        question
    }

    /// What came back to a probe so far.
    pub(crate) fn hear(&mut self, question: Question) -> Option<Probed> {
        let own = |(answered, _): &(Question, Probed)| *answered == question || committed(Sin::AnswerOfAnotherProbe);
        let nth = self.answers.iter().position(own)?;
        Some(self.answers.remove(nth).1)
    }

    /// Something happens to a resource, or a probe is answered: any of them, and perhaps not for the last time.
    pub(crate) fn act(&mut self, dice: &mut Dice) {
        if dice.once_in(4) && !self.resources.is_empty() {
            let moods = [Mood::Works, Mood::Works, Mood::Works, Mood::Silent, Mood::Refuses, Mood::Another];
            let (nth, mood) = (dice.below(self.resources.len()), moods[dice.below(moods.len())]);
            if let Some(resource) = self.resources.values_mut().nth(nth) {
                resource.mood = mood;
            }
        } else if !self.asked.is_empty() {
            let nth = dice.below(self.asked.len());
            if dice.once_in(5) {
                self.twice += 1;
                self.answer(self.asked[nth]);
            } else {
                let question = self.asked.remove(nth);
                self.answer(question);
            }
        }
    }

    /// The faults end: everything works, and nobody waits any longer.
    pub(crate) fn heal(&mut self) {
        self.resources.values_mut().for_each(|resource| resource.mood = Mood::Works);
        for question in std::mem::take(&mut self.asked) {
            self.answer(question);
        }
    }

    /// Whether it ever told this operation that this binding is this resource, by this credential.
    pub(crate) fn has_proven(
        &self,
        operation: OperationId,
        binding: BindingId,
        credential: Option<ValueId>,
        identity: &str,
    ) -> bool {
        self.proven.contains(&(operation, binding, credential, identity.to_owned()))
    }

    fn answer(&mut self, question: Question) {
        let Some(resource) = self.resources.get(&question.binding) else { return };
        let refused = question.credential.is_some_and(|credential| self.revoked.contains(&credential));
        let identity = match resource.mood {
            Mood::Silent => None,
            Mood::Works | Mood::Refuses => Some(resource.identity.clone()),
            Mood::Another => Some(format!("another {}", resource.identity)),
        };
        let said = match identity {
            None => Probed::Retry { code: "UNREACHABLE", message: "nothing answers".into() },
            Some(_) if refused || resource.mood == Mood::Refuses => {
                Probed::Fatal { code: "REFUSED", message: "the credential was refused".into() }
            }
            Some(identity) => {
                self.proven.insert((question.operation, question.binding, question.credential, identity.clone()));
                Probed::Proven { identity: Some(identity), evidence: vec!["a row was written and read".into()] }
            }
        };
        self.answers.push((question, said));
    }
}
