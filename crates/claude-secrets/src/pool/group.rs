//! Keys that share their limits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::slow_start::{Ramp, SlowStart};

/// Stands for every class of models: a spend limit knows none. It is no name that a model could have.
pub(crate) const EVERY_CLASS: &str = "every model";

/// So many classes are remembered for each group; the API has about a dozen (2026-10), and models that are not known are a class each.
const MAX_CLASSES: usize = 64;

/// So many requests may wait for their turn in one slow start.
pub(super) const MAX_WAITING: u64 = 10_000;

/// The limits that some keys share.
pub(crate) struct Group {
    pub(crate) name: Arc<str>,
    classes: Mutex<Vec<Class>>,
}

/// What is known of the limits for one class of models.
#[derive(Clone)]
struct Class {
    name: Box<str>,
    /// Until when they are used up.
    until: Option<Instant>,
    /// Of what would have gone to other groups.
    diverted: Option<Ramp>,
    /// Of its own, after a pause.
    returning: Option<Ramp>,
}

/// A turn.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) at: Instant,
    /// When the slow start began that it is a turn in; of another it is none.
    ramp: Option<Instant>,
}

impl Group {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self { name, classes: Mutex::default() }
    }

    /// One of this name of which the same is known.
    pub(crate) fn renamed(&self, name: Arc<str>) -> Self {
        Self { name, classes: Mutex::new(self.classes().clone()) }
    }

    /// Until when its limits for this class are used up.
    pub(crate) fn cools_until(&self, class: &str, now: Instant) -> Option<Instant> {
        let mut classes = self.classes();
        let mut until = None;
        for of in classes.iter_mut().filter(|of| *of.name == *class || *of.name == *EVERY_CLASS) {
            match of.until {
                Some(cools) if cools > now => until = until.max(Some(cools)),
                Some(_) => {
                    of.until = None;
                    of.returning = Some(Ramp::new(now));
                }
                None => {}
            }
        }
        until
    }

    /// Its limits for this class are used up until then; whether that is news.
    pub(crate) fn cool(&self, class: &str, until: Instant, now: Instant) -> bool {
        let mut classes = self.classes();
        let of = find(&mut classes, class);
        let is_news = of.until.is_none_or(|until| until <= now);
        of.until = of.until.max(Some(until));
        of.returning = None;
        is_news
    }

    /// When another request of this class may leave, which is diverted to this group or comes back to it; counts it if that is
    /// now, or if it `waits`. Nothing if too many wait already.
    pub(crate) fn turn(
        &self,
        class: &str,
        is_diverted: bool,
        waits: bool,
        slow: &SlowStart,
        now: Instant,
    ) -> Option<Place> {
        let mut classes = self.classes();
        let at_once = Some(Place { at: now, ramp: None });
        let ramp = if is_diverted {
            let of = find(&mut classes, class);
            of.diverted.take_if(|ramp| ramp.is_forgotten(slow, now));
            of.diverted.get_or_insert_with(|| Ramp::new(now))
        } else {
            for of in classes.iter_mut() {
                of.returning.take_if(|ramp| ramp.is_over(slow, now));
            }
            // After a pause of all classes each comes back on its own.
            let all = classes.iter().find(|of| *of.name == *EVERY_CLASS).and_then(|of| of.returning);
            if !classes.iter().any(|of| *of.name == *class) && all.is_none() {
                return at_once;
            }
            let of = find(&mut classes, class);
            of.returning = of.returning.or(all.map(|all| all.anew()));
            let Some(ramp) = &mut of.returning else {
                return at_once;
            };
            ramp
        };
        let next = ramp.next(now);
        if next <= now {
            ramp.admit(slow, now);
            return Some(Place { at: now, ramp: Some(ramp.begun()) });
        }
        if waits {
            if ramp.waiting(slow, now) >= MAX_WAITING {
                return None;
            }
            ramp.admit(slow, now);
        }
        Some(Place { at: next, ramp: Some(ramp.begun()) })
    }

    /// Whether this is still a turn: the slow start in which it was given has not been broken off.
    pub(crate) fn holds(&self, class: &str, is_diverted: bool, place: Place) -> bool {
        let mut classes = self.classes();
        ramp(&mut classes, class, is_diverted).is_some_and(|ramp| Some(ramp.begun()) == place.ramp)
    }

    /// One that was counted has left without its turn.
    pub(crate) fn give_back(&self, class: &str, is_diverted: bool, place: Place, slow: &SlowStart) {
        let mut classes = self.classes();
        let ramp = ramp(&mut classes, class, is_diverted);
        if let Some(ramp) = ramp.filter(|ramp| Some(ramp.begun()) == place.ramp) {
            ramp.give_back(slow);
        }
    }

    /// Its own traffic comes back to it, of every class.
    pub(crate) fn comes_back(&self, now: Instant) {
        find(&mut self.classes(), EVERY_CLASS).returning = Some(Ramp::new(now));
    }

    /// Ends all pauses.
    pub(crate) fn warm(&self) {
        for of in self.classes().iter_mut() {
            of.until = None;
        }
    }

    /// The classes whose limits are used up, and until when.
    pub(crate) fn cooling(&self, now: Instant) -> Vec<(Box<str>, Instant)> {
        let classes = self.classes();
        let cooling = |of: &Class| Some((of.name.clone(), of.until.filter(|until| *until > now)?));
        classes.iter().filter_map(cooling).collect()
    }

    fn classes(&self) -> MutexGuard<'_, Vec<Class>> {
        self.classes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slow start of what is diverted, or of what comes back.
fn ramp<'a>(classes: &'a mut [Class], name: &str, is_diverted: bool) -> Option<&'a mut Ramp> {
    let of = classes.iter_mut().find(|of| *of.name == *name)?;
    if is_diverted { of.diverted.as_mut() } else { of.returning.as_mut() }
}

/// The class of this name. When there are too many, one is forgotten: the one whose pause ends first, of those without a pause
/// the one that nobody has come to for the longest.
fn find<'a>(classes: &'a mut Vec<Class>, name: &str) -> &'a mut Class {
    if let Some(at) = classes.iter().position(|of| *of.name == *name) {
        return &mut classes[at];
    }
    if classes.len() >= MAX_CLASSES
        && let Some((at, _)) = classes.iter().enumerate().min_by_key(|(_, of)| {
            let last = [of.diverted, of.returning].into_iter().flatten().map(|ramp| ramp.last()).max();
            (of.until, last)
        })
    {
        classes.swap_remove(at);
    }
    classes.push(Class { name: name.into(), until: None, diverted: None, returning: None });
    let last = classes.len() - 1;
    &mut classes[last]
}
