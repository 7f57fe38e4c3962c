//! Which key a request gets.
//!
//! Each request has an order of the keys of its pool, drawn by what it is to stay together with (rendezvous hashing): when a
//! key comes or goes, only the requests move for which it is the first. Keys that are out of use are passed over; those
//! whose limits are used up too, while another is left; and where traffic has moved, it grows slowly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use claude_wire::call::{Buckets, Deadline};
use http::Uri;

use super::group::{Group, Place};
use super::{Held, Pool, SlowStart};
use crate::credential::Credential;
use crate::error::{SecretsError, SecretsErrorKind};
use crate::keeper::{Look, NoKey, Why};
use crate::metrics;
use crate::origin::Origin;

/// A group whose buckets are less full than this is passed over while another is left: ours, 2026-11-23.
const NEARLY_EMPTY: f64 = 0.05;

/// What a request needs.
pub(crate) struct Wish<'a> {
    pub(crate) uri: &'a Uri,
    /// The class of the model, as far as it is known.
    pub(crate) class: &'a str,
    /// What it is to stay together with.
    pub(crate) affinity: u64,
    pub(crate) slow_start: &'a SlowStart,
    pub(crate) buckets: Option<&'a dyn Buckets>,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) now: Instant,
    /// Whose turn has come.
    pub(crate) slot: Option<&'a Slot>,
    /// Whether a fetch has been waited for.
    pub(crate) has_waited: bool,
    /// Whether it could be sent again, so that a dead key may be tried with it.
    pub(crate) may_try: bool,
    /// The key that it has been refused with.
    pub(crate) not: Option<&'a Credential>,
}

/// What it gets.
pub(crate) enum Choice {
    Take(Taken),
    /// One of this key, when the fetch has landed.
    Fetch(Arc<Held>, u64),
    /// One when its turn has come.
    Wait(Slot),
    Refuse(SecretsError),
}

/// A key for one request.
pub(crate) struct Taken {
    pub(crate) held: Arc<Held>,
    pub(crate) group: Arc<Group>,
    pub(crate) credential: Arc<Credential>,
    pub(crate) origin: Arc<str>,
}

/// A place in a slow start. Dropped before its turn, it is free again.
pub(crate) struct Slot {
    pub(crate) at: Instant,
    place: Place,
    group: Arc<Group>,
    class: Box<str>,
    slow_start: SlowStart,
    is_diverted: bool,
    is_used: bool,
}

impl Slot {
    /// Whether this is the key that it was a turn at, which then has come.
    pub(crate) fn is_used_by(&mut self, taken: &Taken) {
        self.is_used = Arc::ptr_eq(&self.group, &taken.group);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.is_used {
            self.group.give_back(&self.class, self.is_diverted, self.place, &self.slow_start);
        }
    }
}

/// A key that may be chosen.
struct Candidate<'a> {
    held: &'a Arc<Held>,
    group: Arc<Group>,
    origin: Arc<str>,
    /// Whether it is not the first of the request's order.
    is_other: bool,
    /// Whether its limits are others than those of the first.
    is_diverted: bool,
    is_nearly_empty: bool,
}

impl Pool {
    /// The key for this request.
    pub(crate) fn choose(&self, wish: &Wish<'_>) -> Choice {
        // One key has no order, no alternative and no slow start.
        if let [held] = &*self.keys {
            return only(held, wish);
        }
        let mut search = Search::default();
        let order = self.order(wish.affinity);
        let mut home = None;
        let candidates: Vec<Candidate<'_>> = order
            .into_iter()
            .filter_map(|held| search.admit(held, wish))
            .map(|(held, origin)| {
                let group = held.group();
                let (first, limits) = home.get_or_insert((held, Arc::clone(&group)));
                let (is_other, is_diverted) = (!Arc::ptr_eq(first, held), !Arc::ptr_eq(limits, &group));
                let is_nearly_empty = wish.is_nearly_empty(&group);
                Candidate { held, group, origin, is_other, is_diverted, is_nearly_empty }
            })
            .collect();
        // What seems empty is asked only when all the others have nothing.
        for nearly_empty in [false, true] {
            for candidate in candidates.iter().filter(|candidate| candidate.is_nearly_empty == nearly_empty) {
                if let Some(choice) = search.try_one(candidate, self, wish) {
                    return choice;
                }
            }
        }
        search.last_resort(wish)
    }

    /// Whether another group than this could take a request now.
    pub(crate) fn has_alternative(&self, wish: &Wish<'_>, group: &Arc<Group>) -> bool {
        self.keys.iter().any(|held| {
            let other = held.group();
            !Arc::ptr_eq(&other, group)
                && held.may_go(wish.uri).is_some()
                && !held.is_drained()
                && other.cools_until(wish.class, wish.now).is_none()
                && match held.keeper.look(wish.now, wish.has_waited) {
                    Look::Use(_) => true,
                    // It will be there in a moment, unless its source is known to be slow or to have nothing.
                    Look::Wait(_) => !held.keeper.is_unwell(),
                    Look::Fail(_) => false,
                }
        })
    }

    /// Whether no other key of its group is in use, so that there is no traffic that its own would only join.
    fn is_alone(&self, held: &Arc<Held>, group: &Arc<Group>) -> bool {
        let joins = |other: &Arc<Held>| {
            !Arc::ptr_eq(other, held) && !other.is_away() && Arc::ptr_eq(&other.group(), group)
        };
        !self.keys.iter().any(joins)
    }

    /// The keys, best first: weighted rendezvous hashing.
    fn order(&self, affinity: u64) -> Vec<&Arc<Held>> {
        let mut drawn: Vec<(f64, &Arc<Held>)> =
            self.keys.iter().map(|held| (held.draw(affinity), held)).collect();
        drawn.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        drawn.into_iter().map(|(_, held)| held).collect()
    }
}

impl Held {
    /// A number that is the larger the sooner it is this key's turn: `weight / -ln(u)`, `u` being drawn by both hashes.
    fn draw(&self, affinity: u64) -> f64 {
        let mixed = mix(self.seed ^ mix(affinity));
        #[expect(clippy::cast_precision_loss, reason = "53 bits are drawn, which is what a float holds")]
        let drawn = ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        self.key.weight / -drawn.ln()
    }

    /// The origin of this URI, if the key may go there.
    fn may_go(&self, uri: &Uri) -> Option<Arc<str>> {
        self.origins.iter().find(|origin| origin.is_of(uri)).map(Origin::text)
    }
}

/// The finaliser of `SplitMix64`: every bit of the result hangs on every bit of the number.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Wish<'_> {
    /// The key that is there for this request.
    fn look(&self, held: &Held) -> Look {
        if self.may_try {
            held.keeper.take(self.now, self.has_waited)
        } else {
            held.keeper.look(self.now, self.has_waited)
        }
    }

    fn is_refused(&self, credential: &Credential) -> bool {
        self.not.is_some_and(|not| not.is_same(credential))
    }

    fn is_nearly_empty(&self, group: &Group) -> bool {
        let fullness = self.buckets.and_then(|buckets| buckets.fullness(&group.name, self.class));
        fullness.is_some_and(|fullness| fullness < NEARLY_EMPTY)
    }
}

/// The one key of a pool. If its limits are used up it is used all the same: what to do about that is the affair of whoever
/// repeats, or limits.
fn only(held: &Arc<Held>, wish: &Wish<'_>) -> Choice {
    let mut search = Search::default();
    let Some((held, origin)) = search.admit(held, wish) else {
        return search.last_resort(wish);
    };
    match wish.look(held) {
        Look::Use(credential) if wish.is_refused(&credential) => search.last_resort(wish),
        Look::Use(credential) => {
            Choice::Take(Taken { held: Arc::clone(held), group: held.group(), credential, origin })
        }
        Look::Wait(flight) => Choice::Fetch(Arc::clone(held), flight),
        Look::Fail(no_key) => {
            search.failed(held, no_key);
            search.last_resort(wish)
        }
    }
}

/// What was found on the way.
#[derive(Default)]
struct Search {
    /// Why keys were passed over.
    is_any_allowed: bool,
    no_key: Option<(Arc<Held>, Arc<NoKey>)>,
    /// The first whose source may be back when its fetch has landed.
    fetch: Option<(Arc<Held>, u64)>,
    /// The one whose limits are whole again first.
    cooling: Option<(Instant, Taken)>,
    /// The slow start in which the next turn comes first.
    turn: Option<(Instant, Arc<Held>, Arc<Group>, bool)>,
}

impl Search {
    /// Whether a key is in question at all.
    fn admit<'a>(&mut self, held: &'a Arc<Held>, wish: &Wish<'_>) -> Option<(&'a Arc<Held>, Arc<str>)> {
        let origin = held.may_go(wish.uri)?;
        self.is_any_allowed = true;
        if held.is_drained() {
            held.set_away(true);
            return None;
        }
        Some((held, origin))
    }

    fn failed(&mut self, held: &Arc<Held>, no_key: Arc<NoKey>) {
        self.no_key.get_or_insert_with(|| (Arc::clone(held), no_key));
    }

    fn try_one(&mut self, candidate: &Candidate<'_>, pool: &Pool, wish: &Wish<'_>) -> Option<Choice> {
        let Candidate { held, group, origin, is_other, is_diverted, .. } = candidate;
        let credential = match wish.look(held) {
            Look::Use(credential) if wish.is_refused(&credential) => return None,
            Look::Use(credential) => credential,
            // Who knows what its source will bring, and when: others first.
            Look::Wait(flight) if held.keeper.is_unwell() => {
                self.fetch.get_or_insert_with(|| (Arc::clone(held), flight));
                return None;
            }
            Look::Wait(flight) => return Some(Choice::Fetch(Arc::clone(held), flight)),
            Look::Fail(no_key) => {
                held.set_away(true);
                self.failed(held, no_key);
                return None;
            }
        };
        if held.is_away() && !credential.is_dead() && held.set_away(false) && pool.is_alone(held, group) {
            group.comes_back(wish.now);
        }
        let taken = Taken {
            held: Arc::clone(held),
            group: Arc::clone(group),
            credential,
            origin: Arc::clone(origin),
        };
        if let Some(until) = group.cools_until(wish.class, wish.now) {
            if self.cooling.as_ref().is_none_or(|(other, _)| until < *other) {
                self.cooling = Some((until, taken));
            }
            return None;
        }
        let place = match wish.slot.filter(|slot| Arc::ptr_eq(&slot.group, group)) {
            Some(slot) if group.holds(wish.class, slot.is_diverted, slot.place) => slot.place,
            _ => group.turn(wish.class, *is_diverted, false, wish.slow_start, wish.now)?,
        };
        if place.at <= wish.now {
            if *is_other {
                metrics::diverted(&held.key.name);
            }
            return Some(Choice::Take(taken));
        }
        if self.turn.as_ref().is_none_or(|(other, ..)| place.at < *other) {
            self.turn = Some((place.at, Arc::clone(held), Arc::clone(group), *is_diverted));
        }
        None
    }

    /// Nothing is free at once.
    fn last_resort(self, wish: &Wish<'_>) -> Choice {
        if let Some((_, held, group, is_diverted)) = self.turn {
            let turn = wait_for(&held, group, is_diverted, wish);
            return match (turn, self.cooling) {
                // A refusal would be final, and whoever repeats can wait for what is whole again in time.
                (Choice::Refuse(_), Some((until, taken)))
                    if wish.deadline.is_some_and(|deadline| until < deadline.instant()) =>
                {
                    Choice::Take(taken)
                }
                (turn, _) => turn,
            };
        }
        if let Some((held, flight)) = self.fetch {
            return Choice::Fetch(held, flight);
        }
        if let Some((_, taken)) = self.cooling {
            return Choice::Take(taken);
        }
        if !self.is_any_allowed {
            let detail = format_args!("no key may go to the origin of this request: {}", Shown(wish.uri));
            return Choice::Refuse(SecretsErrorKind::OriginNotAllowed.with(detail, None));
        }
        let Some((held, no_key)) = self.no_key else {
            let detail = "every key for this request has been taken out of use";
            return Choice::Refuse(SecretsErrorKind::AllDead.with(detail, None));
        };
        let name = &held.key.name;
        Choice::Refuse(match &no_key.why {
            Why::Source(error) => {
                let detail = format_args!("key `{name}`: {error}");
                SecretsErrorKind::NoKey(error.clone()).with(detail, no_key.again_in)
            }
            Why::Refused => {
                let source = held.keeper.source_id();
                let detail = format_args!("key `{name}`: the API refuses it, and {source} has no other");
                SecretsErrorKind::AllDead.with(detail, no_key.again_in)
            }
        })
    }
}

fn wait_for(held: &Arc<Held>, group: Arc<Group>, is_diverted: bool, wish: &Wish<'_>) -> Choice {
    let name = &held.key.name;
    let Some(place) = group.turn(wish.class, is_diverted, true, wish.slow_start, wish.now) else {
        let detail = format_args!("too many requests wait for key `{name}`");
        return Choice::Refuse(SecretsErrorKind::Busy.with(detail, Some(Duration::from_secs(1))));
    };
    let slot = Slot {
        at: place.at,
        place,
        group,
        class: wish.class.into(),
        slow_start: *wish.slow_start,
        is_diverted,
        is_used: false,
    };
    if wish.deadline.is_some_and(|deadline| deadline.instant() <= slot.at) {
        let detail = format_args!("the deadline is before the turn at key `{name}`");
        return Choice::Refuse(SecretsErrorKind::TooLate.with(detail, None));
    }
    Choice::Wait(slot)
}

/// Where a request would go, without the user, the path and the query.
struct Shown<'a>(&'a Uri);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.scheme_str(), self.0.host()) {
            (Some(scheme), Some(host)) => {
                write!(f, "{scheme}://{host}")?;
                self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            _ => f.write_str("its URI has no scheme and host"),
        }
    }
}
