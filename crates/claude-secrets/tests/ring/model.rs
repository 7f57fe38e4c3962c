//! Any course of events, against what must hold in all of them.

use std::collections::HashSet;
use std::time::Duration;

use claude_secrets::source::Fetched;
use claude_secrets::{KeyRing, KeyState, SecretString};
use futures_util::future::join_all;
use proptest::prelude::*;
use tokio::time::timeout;

use crate::api::Api;
use crate::safe::Safe;
use crate::support::{Answer, Claude, builder, only, pass, secs, settle};

const KEYS: [&str; 4] = ["sk-ant-0-canary", "sk-ant-1-canary", "sk-ant-2-canary", "sk-ant-3-canary"];

/// A key is looked at again after this.
const AGAIN: Duration = Duration::from_secs(75);
/// And after this, once that has failed.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
enum Step {
    Pass(Duration),
    Ask(usize),
    /// The source has this key from now on, and perhaps keeps another.
    Gives(usize, Option<usize>),
    Fails,
    Hangs,
    Revoke(usize),
    Accept(usize),
    Refresh,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    prop_oneof![
        4 => (0_u64..12_000).prop_map(|time| Step::Pass(Duration::from_millis(time))),
        2 => (0_u64..400).prop_map(|time| Step::Pass(secs(time))),
        8 => prop_oneof![3 => Just(1_usize), 1 => 2_usize..20].prop_map(Step::Ask),
        3 => (key.clone(), prop::option::of(key.clone())).prop_map(|(key, kept)| Step::Gives(key, kept)),
        1 => Just(Step::Fails),
        1 => Just(Step::Hangs),
        2 => key.clone().prop_map(Step::Revoke),
        2 => key.prop_map(Step::Accept),
        1 => Just(Step::Refresh),
    ]
}

/// How the last fetch ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Well,
    Badly,
}

struct World {
    safe: Safe,
    api: Api,
    ring: KeyRing,
    claude: Claude,
    /// What the source has now, if it is well.
    has: Option<(usize, Option<usize>)>,
    /// What it has given last.
    brought: Option<usize>,
    given: HashSet<&'static str>,
    /// What the API has refused since the source gave it.
    refused: HashSet<&'static str>,
    last: Option<Ends>,
    counted: usize,
    /// How many fetches may begin out of their time: one for each word of the API or of an operator that was news.
    reasons: usize,
}

impl World {
    fn new() -> Self {
        let (safe, api) = (Safe::with(KEYS[0]), Api::knowing([KEYS[0]]));
        let ring = builder(&safe).with_max_stale(secs(300)).with_overlap(secs(200)).build().unwrap();
        let claude = Claude::new(&ring, &api);
        Self {
            safe,
            api,
            ring,
            claude,
            has: Some((0, None)),
            brought: None,
            given: HashSet::new(),
            refused: HashSet::new(),
            last: None,
            counted: 0,
            reasons: 0,
        }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Pass(time) => {
                pass(time).await;
                assert_eq!(self.safe.fetches(), self.counted, "a fetch that nobody asked for");
            }
            Step::Gives(key, kept) => {
                self.has = Some((key, kept));
                let fetched = Fetched::new(SecretString::from(KEYS[key]));
                self.safe.gives_all(match kept {
                    Some(kept) => fetched.with_previous(SecretString::from(KEYS[kept])),
                    None => fetched,
                });
            }
            Step::Fails => {
                self.has = None;
                self.safe.fails();
            }
            Step::Hangs => {
                self.has = None;
                self.safe.hangs();
            }
            Step::Revoke(key) => self.api.revoke(KEYS[key]),
            Step::Accept(key) => self.api.accept(KEYS[key]),
            Step::Ask(count) => self.ask(count).await,
            Step::Refresh => self.refresh().await,
        }
    }

    /// The source has another than before: what was said of that one is forgotten.
    fn expect(&mut self) {
        if let Some((key, _)) = self.has
            && self.brought != Some(key)
        {
            self.refused.remove(KEYS[key]);
        }
    }

    async fn ask(&mut self, count: usize) {
        self.expect();
        let asked = join_all((0..count).map(|_| self.claude.ask()));
        let answers = timeout(secs(60), asked).await.expect("a request hangs");
        settle().await;
        let has_fetched = self.safe.fetches() > self.counted;
        let refused_before = self.refused.clone();
        let mut in_vain = HashSet::new();
        for key in self.api.seen() {
            let key = KEYS.into_iter().find(|known| *known == key).expect("no key of the source");
            if self.api.knows(key) {
                self.refused.remove(key);
            } else {
                in_vain.insert(key);
                // A stand-in that is refused has the source asked, and gives the present one another try.
                let present = self.brought.or(self.has.map(|(key, _)| key));
                let stands_in = present.is_none_or(|present| KEYS[present] != key);
                self.reasons += usize::from(self.refused.insert(key)) + 2 * usize::from(stands_in);
            }
            if has_fetched && let Some((key, kept)) = self.has {
                self.given.insert(KEYS[key]);
                self.given.extend(kept.map(|kept| KEYS[kept]));
            }
            assert!(self.given.contains(key), "a key that the source has not given");
        }
        self.account(&refused_before);
        for answer in &answers {
            self.judge(answer, has_fetched && in_vain.len() < 2);
        }
    }

    async fn refresh(&mut self) {
        self.expect();
        let before = self.safe.fetches();
        let failed = timeout(secs(60), self.ring.refresh_now()).await.expect("a refresh hangs");
        settle().await;
        assert_eq!(self.safe.fetches(), before + 1);
        assert_eq!(failed.is_empty(), self.has.is_some());
        self.reasons += 1;
        self.account(&self.refused.clone());
        self.refused.clear();
        if let Some((key, kept)) = self.has {
            self.given.insert(KEYS[key]);
            self.given.extend(kept.map(|kept| KEYS[kept]));
            assert_eq!(only(&self.ring).state, KeyState::Live);
        }
    }

    /// Each new fetch had its time, or a reason.
    fn account(&mut self, refused_before: &HashSet<&'static str>) {
        let begun = self.safe.begun();
        let refused: HashSet<&str> = self.refused.union(refused_before).copied().collect();
        let is_refused = |key: usize| refused.contains(KEYS[key]);
        for number in self.counted..self.safe.fetches() {
            let pause = match self.last {
                None => Duration::ZERO,
                Some(Ends::Badly) => FIRST_PAUSE,
                Some(Ends::Well) if self.brought.is_some_and(is_refused) => FIRST_PAUSE,
                Some(Ends::Well) => AGAIN,
            };
            if number > 0 && begun[number] - begun[number - 1] < pause {
                assert!(self.reasons > 0, "fetch {number} has no reason, {:?}", &begun[number - 1..=number]);
                self.reasons -= 1;
            }
            self.last = Some(if self.has.is_some() { Ends::Well } else { Ends::Badly });
            self.brought = self.has.map(|(key, _)| key).or(self.brought);
        }
        self.counted = self.safe.fetches();
    }

    /// Who `could_have` the key that the source has now: a fetch came before the last time that a request may be sent, which is
    /// the second.
    fn judge(&self, answer: &Answer, could_have: bool) {
        let status = only(&self.ring);
        if could_have
            && let Some((key, _)) = self.has
            && self.api.knows(KEYS[key])
            && !self.refused.contains(KEYS[key])
        {
            assert_eq!(answer.as_ref().ok(), Some(&200), "there was a good key to be had: {answer:?}");
            assert_eq!(status.state, KeyState::Live);
        }
        if let Err(refused) = answer {
            let again = refused.refusal.retry_after().expect("when to come again is known");
            assert!(again <= LONGEST_PAUSE, "{again:?}");
            assert!(status.state == KeyState::Dead || status.error.is_some(), "{status:?}");
        }
        if status.state == KeyState::Dead {
            let key = self.brought.map(|key| KEYS[key]);
            assert!(key.is_some_and(|key| self.refused.contains(key)), "it was never refused");
        }
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 128, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in &steps {
                world.take(step).await;
            }
        });
    }
}
