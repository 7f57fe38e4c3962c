//! All buckets of a simulator, and the limits that they have.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::bucket::Bucket;
use super::headers::Shown;
use super::refused::{Kind, Refused};
use super::snapshot::Snapshot;
use super::{ClassLimits, Hidden, LimitClass, Limits, figures};
use crate::auth::{DEFAULT_WORKSPACE, Owner};

/// Their number is bounded by organisations, workspaces with limits, and classes: all of them are named by keys,
/// limits and models, and none by a request.
pub(crate) struct Buckets {
    hidden: Hidden,
    /// Of organisations that have none of their own.
    limits: Limits,
    organizations: BTreeMap<String, Limits>,
    workspaces: BTreeMap<String, Limits>,
    of_classes: HashMap<(Scope, LimitClass), ClassBuckets>,
    of_count_tokens: HashMap<Scope, Bucket>,
}

/// Whose limits they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    Organization(String),
    /// Its limits go by its id alone, and what is left of them is each organisation's own.
    Workspace {
        organization: String,
        id: String,
    },
}

/// What a message draws on.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    pub(super) class: LimitClass,
    pub(super) fast: bool,
    scopes: [Scope; 2],
}

struct ClassBuckets {
    requests: Bucket,
    input: Bucket,
    output: Bucket,
    fast_input: Bucket,
    fast_output: Bucket,
}

impl Draw {
    pub(super) fn new(owner: &Owner, class: LimitClass, fast: bool) -> Self {
        Self { class, fast, scopes: scopes(owner) }
    }
}

fn scopes(owner: &Owner) -> [Scope; 2] {
    let (organization, id) = (owner.organization().to_owned(), owner.workspace().to_owned());
    [Scope::Organization(organization.clone()), Scope::Workspace { organization, id }]
}

impl Buckets {
    pub(crate) fn new(
        hidden: Hidden,
        limits: Limits,
        organizations: BTreeMap<String, Limits>,
        mut workspaces: BTreeMap<String, Limits>,
    ) -> Self {
        workspaces.remove(DEFAULT_WORKSPACE);
        let (of_classes, of_count_tokens) = (HashMap::new(), HashMap::new());
        Self { hidden, limits, organizations, workspaces, of_classes, of_count_tokens }
    }

    pub(crate) const fn hidden(&self) -> Hidden {
        self.hidden
    }

    pub(crate) fn set_limits(&mut self, limits: Limits, now: Duration) {
        self.limits = limits;
        self.adapt(now);
    }

    pub(crate) fn set_organization_limits(&mut self, id: String, limits: Limits, now: Duration) {
        self.organizations.insert(id, limits);
        self.adapt(now);
    }

    /// The default workspace takes none.
    pub(crate) fn set_workspace_limits(&mut self, id: String, limits: Limits, now: Duration) {
        if id != DEFAULT_WORKSPACE {
            self.workspaces.insert(id, limits);
            self.adapt(now);
        }
    }

    /// Gives every bucket the limit that holds now.
    fn adapt(&mut self, now: Duration) {
        let mut of_classes = std::mem::take(&mut self.of_classes);
        of_classes.retain(|(scope, class), buckets| match self.limits_of(scope, class) {
            Some(limits) => {
                buckets.set_limits(limits, now);
                true
            }
            None => false,
        });
        self.of_classes = of_classes;
        let mut of_count_tokens = std::mem::take(&mut self.of_count_tokens);
        of_count_tokens.retain(|scope, bucket| match self.count_tokens_of(scope) {
            Some(limit) => {
                bucket.set_limit(limit, now);
                true
            }
            None => false,
        });
        self.of_count_tokens = of_count_tokens;
    }

    fn limits_of(&self, scope: &Scope, class: &LimitClass) -> Option<ClassLimits> {
        self.all_of(scope)?.of_class(class)
    }

    fn count_tokens_of(&self, scope: &Scope) -> Option<u64> {
        self.all_of(scope)?.of_count_tokens()
    }

    fn all_of(&self, scope: &Scope) -> Option<&Limits> {
        match scope {
            Scope::Organization(id) => Some(self.organizations.get(id).unwrap_or(&self.limits)),
            Scope::Workspace { id, .. } => self.workspaces.get(id),
        }
    }

    /// Takes a request and its input out of every bucket that applies, or nothing out of any.
    pub(super) fn admit(&mut self, draw: &Draw, input: u64, now: Duration) -> Result<(), Refused> {
        let mut refused: Option<Refused> = None;
        for scope in &draw.scopes {
            let Some(buckets) = self.of_class(scope, &draw.class, now) else { continue };
            for (kind, bucket, wait) in buckets.waits(draw.fast, input, now) {
                if wait > refused.as_ref().map_or(Duration::ZERO, |refused| refused.wait) {
                    refused = Some(Refused {
                        kind,
                        limit: bucket.limit(),
                        scope: scope.clone(),
                        class: Some(draw.class.clone()),
                        wait,
                    });
                }
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        for scope in &draw.scopes {
            if let Some(buckets) = self.of_class(scope, &draw.class, now) {
                buckets.requests.take(1);
                buckets.tokens(draw.fast).0.take(input);
            }
        }
        Ok(())
    }

    /// Takes more input, or puts some back, and takes output, which may become a debt.
    pub(super) fn charge(&mut self, draw: &Draw, more: u64, less: u64, output: u64, now: Duration) {
        for scope in &draw.scopes {
            let Some(buckets) = self.of_class(scope, &draw.class, now) else { continue };
            let (of_input, of_output) = buckets.tokens(draw.fast);
            of_input.take(more);
            of_input.give(less);
            of_output.take(output);
        }
    }

    /// Takes one request to `count_tokens`.
    pub(super) fn admit_count(&mut self, owner: &Owner, now: Duration) -> Result<(), Refused> {
        let scopes = scopes(owner);
        let mut refused: Option<Refused> = None;
        for scope in &scopes {
            let Some(bucket) = self.of_count_tokens(scope, now) else { continue };
            let wait = bucket.wait_for(1, now);
            if wait > refused.as_ref().map_or(Duration::ZERO, |refused| refused.wait) {
                let (scope, limit) = (scope.clone(), bucket.limit());
                refused = Some(Refused { kind: Kind::Requests, limit, scope, class: None, wait });
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        for scope in &scopes {
            if let Some(bucket) = self.of_count_tokens(scope, now) {
                bucket.take(1);
            }
        }
        Ok(())
    }

    /// What the headers of a message say. Of the organisation's and the workspace's bucket it is the one that
    /// binds.
    pub(super) fn show(&mut self, draw: &Draw, now: Duration) -> Shown {
        let [organization, workspace] = &draw.scopes;
        let organization = self.of_class(organization, &draw.class, now).map(|buckets| buckets.show(now));
        let workspace = self.of_class(workspace, &draw.class, now).map(|buckets| buckets.show(now));
        let mut shown = match (organization, workspace) {
            (Some(organization), Some(workspace)) => organization.tighter(&workspace),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Shown::full(&figures::start(&draw.class), now),
        };
        shown.fast = shown.fast.filter(|_| draw.fast);
        shown
    }

    /// What the headers of a count say.
    pub(super) fn show_count(&mut self, owner: &Owner, now: Duration) -> Snapshot {
        let [organization, workspace] = scopes(owner);
        let organization = self.of_count_tokens(&organization, now).map(|bucket| bucket.show(now));
        let workspace = self.of_count_tokens(&workspace, now).map(|bucket| bucket.show(now));
        match (organization, workspace) {
            (Some(organization), workspace) => organization.tighter(workspace),
            (None, Some(workspace)) => workspace,
            (None, None) => Snapshot::full(figures::START_COUNT_TOKENS, now),
        }
    }

    /// Buckets begin full. `None` if there are no limits.
    fn of_class(&mut self, scope: &Scope, class: &LimitClass, now: Duration) -> Option<&mut ClassBuckets> {
        let limits = self.limits_of(scope, class)?;
        let key = (scope.clone(), class.clone());
        let full = || ClassBuckets::full(&limits, self.hidden, now);
        let buckets = self.of_classes.entry(key).or_insert_with(full);
        buckets.refill(now);
        Some(buckets)
    }

    fn of_count_tokens(&mut self, scope: &Scope, now: Duration) -> Option<&mut Bucket> {
        let limit = self.count_tokens_of(scope)?;
        let full = || Bucket::full(limit, self.hidden, now);
        let bucket = self.of_count_tokens.entry(scope.clone()).or_insert_with(full);
        bucket.refill(now);
        Some(bucket)
    }
}

impl ClassBuckets {
    fn full(limits: &ClassLimits, hidden: Hidden, now: Duration) -> Self {
        Self {
            requests: Bucket::full(limits.requests, hidden, now),
            input: Bucket::full(limits.input_tokens, hidden, now),
            output: Bucket::full(limits.output_tokens, hidden, now),
            fast_input: Bucket::full(limits.fast_input_tokens, hidden, now),
            fast_output: Bucket::full(limits.fast_output_tokens, hidden, now),
        }
    }

    fn set_limits(&mut self, limits: ClassLimits, now: Duration) {
        self.requests.set_limit(limits.requests, now);
        self.input.set_limit(limits.input_tokens, now);
        self.output.set_limit(limits.output_tokens, now);
        self.fast_input.set_limit(limits.fast_input_tokens, now);
        self.fast_output.set_limit(limits.fast_output_tokens, now);
    }

    fn refill(&mut self, now: Duration) {
        for bucket in [
            &mut self.requests,
            &mut self.input,
            &mut self.output,
            &mut self.fast_input,
            &mut self.fast_output,
        ] {
            bucket.refill(now);
        }
    }

    /// Of input and of output.
    const fn tokens(&mut self, fast: bool) -> (&mut Bucket, &mut Bucket) {
        if fast { (&mut self.fast_input, &mut self.fast_output) } else { (&mut self.input, &mut self.output) }
    }

    /// How long a request with so much input has to wait for each.
    fn waits(&mut self, fast: bool, input: u64, now: Duration) -> [(Kind, &Bucket, Duration); 3] {
        let requests_wait = self.requests.wait_for(1, now);
        let (of_input, of_output, kinds) = if fast {
            (&self.fast_input, &self.fast_output, [Kind::FastInputTokens, Kind::FastOutputTokens])
        } else {
            (&self.input, &self.output, [Kind::InputTokens, Kind::OutputTokens])
        };
        let [input_kind, output_kind] = kinds;
        [
            (Kind::Requests, &self.requests, requests_wait),
            (input_kind, of_input, of_input.wait_for(input, now)),
            // How much will be written is not known yet: anything will do.
            (output_kind, of_output, of_output.wait_for_any(now)),
        ]
    }

    fn show(&mut self, now: Duration) -> Shown {
        let (input, output) = (self.input.show(now), self.output.show(now));
        Shown {
            requests: self.requests.show(now),
            tokens: input.plus(output),
            input,
            output,
            fast: Some((self.fast_input.show(now), self.fast_output.show(now))),
        }
    }
}
