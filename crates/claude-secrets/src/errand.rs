//! What one request needs of the ring, from its first key to its last.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use claude_errors::ErrorKind;
use claude_wire::Body;
use claude_wire::call::{Attempt, Caller, Deadline, Template};
use claude_wire::facts::{Endpoint, RequestFacts, facts, limit_class};
use claude_wire::headers::organization_id;
use claude_wire::shown::name;
use http::header::HOST;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body::Body as HttpBody;
use tokio::time::timeout_at;

use crate::clock::{CLOCK, after, tokio_instant};
use crate::credential::{hide, is_there, of_caller, take_off};
use crate::error::{SecretsError, SecretsErrorKind};
use crate::future::Wait;
use crate::keeper::Refused;
use crate::layer::Existing;
use crate::metrics;
use crate::origin::Origin;
use crate::pool::{Choice, EVERY_CLASS, Pool, Slot, Taken, Wish};
use crate::reading::Reading;
use crate::ring::{Affinity, KeyRing};

/// How long a group rests whose account has no money left: a minute, ours (2026-11-23). The answer says when it ends in words
/// only.
const UNPAID_REST: Duration = Duration::from_secs(60);

/// One request, and the key that it has.
pub(crate) struct Errand {
    ring: KeyRing,
    pool: Arc<Pool>,
    attempt: Attempt,
    uri: Uri,
    deadline: Option<Deadline>,
    affinity: u64,
    /// Only a pool asks before it is needed.
    class: Option<Cow<'static, str>>,
    /// What the request can be sent again from; nothing if its body is a stream, or it has been sent again.
    template: Option<Template>,
    taken: Option<Taken>,
    slot: Option<Slot>,
    has_waited: bool,
    /// Whether the API has refused the key that it has.
    is_refused: bool,
    is_replay: bool,
    /// When it got its key.
    since: Instant,
}

/// What becomes of an answer.
pub(crate) enum Verdict {
    /// It is the caller's.
    Final,
    /// Another key is to be looked for, when the fetch of this number has landed.
    Renew(Option<u64>),
}

impl Errand {
    /// `None` for a request that goes as it is.
    pub(crate) fn begin(
        ring: &KeyRing,
        existing: Existing,
        request: &mut Request<Body>,
    ) -> Result<Option<Self>, SecretsError> {
        let attempt = Attempt::of(request, CLOCK);
        // Most requests have none, and each look at a header costs.
        if is_there(request.headers()) {
            if let Some(own) = of_caller(request.headers()) {
                match existing {
                    Existing::Replace => {}
                    Existing::Keep => {
                        let (_, name) = ring.shared.fingerprinter.of(own);
                        let origin = Origin::of(request.uri()).map(|origin| origin.text());
                        mark(&attempt, &name, &name, origin);
                        hide(request.headers_mut());
                        return Ok(None);
                    }
                    Existing::Refuse => {
                        let detail = "the request carries a credential of its own, and those are refused";
                        return Err(SecretsErrorKind::CredentialPresent.with(detail, None));
                    }
                }
            }
            // Whatever becomes of the request, the caller's own does not go on.
            take_off(request.headers_mut());
        }
        if request.headers().contains_key(HOST)
            && !Origin::of(request.uri()).is_some_and(|origin| origin.is_named_by(request.headers()))
        {
            let detail = "the host header of the request is not where it goes";
            return Err(SecretsErrorKind::OriginNotAllowed.with(detail, None));
        }
        let caller = request.extensions().get::<Caller>();
        let pool = Arc::clone(ring.shared.directory.pool(caller)?);
        let (mut affinity, mut class) = (0, None);
        if pool.keys.len() > 1 {
            let facts = facts(request);
            affinity = draw(ring.shared.affinity, &facts, request.extensions().get());
            class = Some(class_of(&facts));
        }
        Ok(Some(Self {
            ring: ring.clone(),
            pool,
            attempt,
            uri: request.uri().clone(),
            deadline: request.extensions().get().copied(),
            affinity,
            class,
            template: Template::of(request),
            taken: None,
            slot: None,
            has_waited: false,
            is_refused: false,
            is_replay: false,
            since: CLOCK(),
        }))
    }

    /// Says that whoever has this request marks it as sent.
    pub(crate) fn claim(&self) {
        self.attempt.claim();
    }

    fn wish<'a>(&'a self, class: &'a str) -> Wish<'a> {
        let shared = &self.ring.shared;
        Wish {
            uri: &self.uri,
            class,
            affinity: self.affinity,
            slow_start: &shared.slow_start,
            buckets: shared.buckets.as_deref(),
            deadline: self.deadline,
            now: CLOCK(),
            slot: self.slot.as_ref(),
            has_waited: self.has_waited,
            may_try: self.template.is_some(),
            not: self.taken.as_ref().filter(|_| self.is_refused).map(|taken| &*taken.credential),
        }
    }

    pub(crate) fn choose(&mut self) -> Choice {
        self.pool.choose(&self.wish(self.class.as_deref().unwrap_or_default()))
    }

    /// A fetch has been waited for.
    pub(crate) const fn waited(&mut self) {
        self.has_waited = true;
    }

    /// Waits for this turn.
    pub(crate) fn queue(&mut self, slot: Slot) {
        self.slot = Some(slot);
    }

    /// Puts a key on a request.
    pub(crate) fn put_on(&mut self, taken: Taken, headers: &mut HeaderMap) {
        if let Some(mut slot) = self.slot.take() {
            slot.is_used_by(&taken);
        }
        self.since = CLOCK();
        taken.credential.put_on(headers);
        let origin = Some(Arc::clone(&taken.origin));
        mark(&self.attempt, &taken.credential.fingerprint, &taken.group.name, origin);
        self.taken = Some(taken);
    }

    /// The request once more, with another key. There is no third time.
    pub(crate) fn replay(&mut self, taken: Taken) -> Option<Request<Body>> {
        let template = self.template.take()?;
        let mut request = template.to_request();
        // Whatever guards the attempt below begins anew: what was refused has cost nothing.
        self.attempt.restart();
        self.attempt.put_into(&mut request);
        self.is_replay = true;
        self.put_on(taken, request.headers_mut());
        Some(request)
    }

    /// The head of an answer: what it tells of the key, and whether its body must be read for more.
    pub(crate) fn answered<B>(&self, response: &Response<B>) -> bool {
        let Some(taken) = &self.taken else {
            return false;
        };
        taken.held.learn(response.headers(), &self.ring.shared.learnt, CLOCK());
        if self.is_replay && response.status().is_success() {
            metrics::replayed(true);
        }
        // Whose organisation it is, the API says only to whom it knows.
        if response.status().is_success()
            || organization_id(response.headers()).is_some() && response.status() != StatusCode::UNAUTHORIZED
        {
            taken.credential.trust.taken(self.since);
            if taken.credential.is_dead() {
                taken.credential.trust.revive();
            }
        }
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::PAYMENT_REQUIRED | StatusCode::TOO_MANY_REQUESTS => true,
            // Spend limits that a customer set himself.
            StatusCode::BAD_REQUEST => self.pool.keys.len() > 1,
            _ => false,
        }
    }

    /// What a failed answer says of the key.
    pub(crate) fn read<B>(&mut self, answer: &Reading<B>) -> Verdict
    where
        B: HttpBody<Data = Bytes>,
    {
        let now = (self.ring.shared.wall_clock)();
        let Some(judged) = answer.judge(now) else {
            return Verdict::Final;
        };
        // How long the limit lasts holds also for who is told not to repeat the request.
        let asked = judged.retry_after.or_else(|| answer.retry_after(now));
        match judged.kind {
            _ if answer.refuses_key(&judged) => return self.refused(),
            ErrorKind::RateLimited | ErrorKind::RampLimited => {
                let time = asked.unwrap_or(self.ring.shared.limited_for);
                let class = self.class();
                self.cool(&class, time);
            }
            ErrorKind::SpendLimit | ErrorKind::Billing => {
                self.cool(EVERY_CLASS, asked.unwrap_or_default().max(UNPAID_REST));
            }
            _ => {}
        }
        Verdict::Final
    }

    fn refused(&mut self) -> Verdict {
        let Some(taken) = &self.taken else {
            return Verdict::Final;
        };
        if self.is_replay {
            metrics::replayed(false);
        }
        // What a plain key may not call says nothing of the key.
        if Endpoint::from_path(self.uri.path()) == Endpoint::Other {
            return Verdict::Final;
        }
        taken.credential.trust.refused(self.since);
        let refused = taken.held.keeper.refused(&taken.credential);
        if self.template.is_none() {
            return Verdict::Final;
        }
        self.is_refused = true;
        Verdict::Renew(match refused {
            Refused::Wait(flight) => Some(flight),
            Refused::Replaced | Refused::Dead => None,
        })
    }

    /// Waits for the fetch that another key hangs on.
    pub(crate) fn settled(&self, flight: u64) -> Option<Wait> {
        let taken = self.taken.as_ref()?;
        let (keeper, credential) = (Arc::clone(&taken.held.keeper), Arc::clone(&taken.credential));
        Some(self.until_deadline(async move { keeper.settled(&credential, flight).await }))
    }

    /// Waits for this, and no longer than the request has time.
    pub(crate) fn until_deadline(&self, wait: impl Future<Output = ()> + Send + Sync + 'static) -> Wait {
        match self.deadline {
            None => Box::pin(wait),
            Some(deadline) => Box::pin(async move {
                drop(timeout_at(tokio_instant(deadline.instant()), wait).await);
            }),
        }
    }

    /// Refuses a request whose deadline has passed while it waited.
    pub(crate) fn in_time(&self) -> Result<(), SecretsError> {
        if self.deadline.is_some_and(|deadline| deadline.is_past(CLOCK())) {
            let detail = "the deadline has passed before there was a key";
            return Err(SecretsErrorKind::TooLate.with(detail, None));
        }
        Ok(())
    }

    fn cool(&self, class: &str, time: Duration) {
        let Some(taken) = &self.taken else {
            return;
        };
        let now = CLOCK();
        let until = after(now, time);
        // What is known of the group by now: its name may have been learnt from this very answer.
        let group = taken.held.group();
        if group.cool(class, until, now) {
            metrics::cooled(&taken.held.key.name);
            tracing::info!(
                target: "claude_secrets",
                key = &*taken.held.key.name,
                class,
                for_s = time.as_secs(),
                "the limits of a key are used up"
            );
        }
        let class = self.class();
        if self.pool.keys.len() > 1 && self.pool.has_alternative(&self.wish(&class), &group) {
            self.attempt.offer_alternative();
        }
    }

    /// The class of models whose limits the request draws on.
    fn class(&self) -> Cow<'static, str> {
        if let Some(class) = &self.class {
            return class.clone();
        }
        let endpoint = Endpoint::from_path(self.uri.path());
        let template = self.template.as_ref();
        let known = template.and_then(|template| template.extensions().get::<RequestFacts>());
        match known {
            Some(facts) => class_of(facts),
            None => class_of(&RequestFacts::read(endpoint, template.map(Template::body))),
        }
    }
}

/// Writes on the attempt whose key it has.
fn mark(attempt: &Attempt, fingerprint: &Arc<str>, group: &Arc<str>, origin: Option<Arc<str>>) {
    attempt.set_key_fingerprint(Arc::clone(fingerprint));
    attempt.set_limit_group(Arc::clone(group));
    if let Some(origin) = origin {
        attempt.set_origin(origin);
    }
}

/// By which number the order of a pool is drawn.
fn draw(affinity: Affinity, facts: &RequestFacts, caller: Option<&Caller>) -> u64 {
    let by_conversation = || facts.prefix();
    let by_caller = || {
        let caller = caller.filter(|caller| **caller != Caller::default())?;
        let mut hasher = blake3::Hasher::new();
        for part in [&caller.environment, &caller.line, &caller.user] {
            let part = part.as_deref().unwrap_or_default();
            hasher.update(&part.len().to_le_bytes()).update(part.as_bytes());
        }
        hasher.finalize().as_bytes().first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    };
    let drawn = match affinity {
        Affinity::Conversation => by_conversation().or_else(by_caller),
        Affinity::Caller => by_caller(),
        Affinity::None => None,
    };
    drawn.unwrap_or_else(|| fastrand::u64(..))
}

/// What has limits of its own (2026-10-08): the messages of a class of models, and each of the other endpoints.
fn class_of(facts: &RequestFacts) -> Cow<'static, str> {
    match facts.endpoint() {
        // What is no name might be a prompt, and is no model of the API's.
        Endpoint::Messages | Endpoint::Complete => match facts.model().and_then(name) {
            Some(model) => Cow::Owned(limit_class(model).to_owned()),
            None => Cow::Borrowed("unknown model"),
        },
        Endpoint::CountTokens => Cow::Borrowed("count_tokens"),
        Endpoint::Batches => Cow::Borrowed("batches"),
        Endpoint::Files => Cow::Borrowed("files"),
        Endpoint::Skills => Cow::Borrowed("skills"),
        _ => Cow::Borrowed("other"),
    }
}
