//! Errors as a person reads them: each cause is printed once, with its sources or without.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::error::Error as StdError;

use moq_mls::counter::http::HttpError;
use moq_mls::engine::{EngineError, Rejection};
use moq_mls::secure_objects::KeyError;
use moq_mls::snapshot::SnapshotError;
use moq_mls::tracks::GroupName;
use moq_mls::{Error, Misuse};

const CAUSE: &str = "the cause";

/// The texts of an error and of its sources, as loggers print them.
fn chain(error: &dyn StdError) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

fn provider() -> EngineError {
    EngineError::Provider(CAUSE.into())
}

#[test]
fn a_failed_provider_is_named_once_by_every_error_that_carries_it() {
    let errors: [Box<dyn StdError>; 4] = [
        Box::new(provider()),
        Box::new(Error::from(provider())),
        Box::new(KeyError::from(provider())),
        Box::new(Rejection::Invalid(CAUSE.into())),
    ];
    for error in errors {
        assert_eq!(chain(&*error).matches(CAUSE).count(), 1, "{}", chain(&*error));
        assert!(error.to_string().contains(CAUSE), "{error}");
    }
}

#[test]
fn no_error_repeats_the_text_of_another() {
    let name = GroupName::try_from("").unwrap_err();
    let (misuse, snapshot) = (Misuse::NotAMember, SnapshotError::Malformed);
    let errors: [(Box<dyn StdError>, String); 3] = [
        (Box::new(Error::from(misuse)), misuse.to_string()),
        (Box::new(Error::from(snapshot)), snapshot.to_string()),
        (Box::new(HttpError::from(name)), name.to_string()),
    ];
    for (error, inner) in errors {
        assert_eq!(chain(&*error).matches(&inner).count(), 1, "{}", chain(&*error));
    }
}
