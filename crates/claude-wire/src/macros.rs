//! What every wrapper of a service has.

/// `get_ref`, `get_mut` and `into_inner` for a struct with a field `inner`. For the crates of this workspace; no part of
/// the public API.
#[doc(hidden)]
#[macro_export]
macro_rules! inner_service_accessors {
    ($wrapper:ident < S $(, $param:ident)* >) => {
        impl<S $(, $param)*> $wrapper<S $(, $param)*> {
            /// The wrapped service.
            pub const fn get_ref(&self) -> &S {
                &self.inner
            }

            /// The wrapped service, mutably.
            pub const fn get_mut(&mut self) -> &mut S {
                &mut self.inner
            }

            /// Unwraps the service.
            pub fn into_inner(self) -> S {
                self.inner
            }
        }
    };
}
