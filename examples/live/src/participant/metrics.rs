//! What a participant counts, for Prometheus.

use std::time::Instant;

use moq_mls::notice::{EpochCause, Notice, ServiceFault};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;

use crate::handle::View;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    by: &'static str,
    reason: String,
}

/// The figures that come from notices. The others are read from the participant's view.
pub struct Metrics {
    notices: Family<Kind, Counter>,
    refusals: Family<Why, Counter>,
    attacks: Family<Kind, Counter>,
    joins: Histogram,
    joining_since: Option<Instant>,
}

impl Metrics {
    /// Registers the figures of a participant that is seen by `view`. With `joins`, it begins to join now.
    pub fn register(registry: &mut Registry, view: watch::Receiver<View>, joins: bool) -> Self {
        let metrics = Self {
            notices: Family::default(),
            refusals: Family::default(),
            attacks: Family::default(),
            // From 50 ms to 102 s.
            joins: Histogram::new((0..12).map(|power| 0.05 * f64::from(1_u32 << power))),
            joining_since: joins.then(Instant::now),
        };
        let of = registry.sub_registry_with_prefix("participant");
        of.register("notices", "Notices by kind", metrics.notices.clone());
        of.register("refusals", "Refusals by the service or the group, by reason", metrics.refusals.clone());
        of.register("attacks", "Reports that faults of one kind are an attack", metrics.attacks.clone());
        of.register_with_unit(
            "join_duration",
            "Time from the start of a join until membership",
            Unit::Seconds,
            metrics.joins.clone(),
        );
        of.register_collector(Box::new(Seen(view)));
        metrics
    }

    /// Counts a notice.
    pub fn hear(&mut self, notice: &Notice) {
        self.notices.get_or_create(&Kind { kind: kind_of(notice) }).inc();
        match notice {
            Notice::Refused { reason, .. } => self.refused("group", reason),
            Notice::ServiceFault(ServiceFault::Refused(reason)) => self.refused("service", reason),
            Notice::UnderAttack { fault, .. } => {
                self.attacks.get_or_create(&Kind { kind: kind_of(fault) }).inc();
            }
            Notice::Rejoining { .. } => self.joining_since = Some(Instant::now()),
            Notice::Resumed { .. } => self.joining_since = None,
            Notice::Epoch { cause: EpochCause::Created | EpochCause::Welcome, .. } => {
                if let Some(since) = self.joining_since.take() {
                    self.joins.observe(since.elapsed().as_secs_f64());
                }
            }
            _ => {}
        }
    }

    fn refused(&self, by: &'static str, reason: &impl std::fmt::Debug) {
        self.refusals.get_or_create(&Why { by, reason: kind_of(reason) }).inc();
    }
}

/// Returns the name of a variant, as labels are written: `UnderAttack` is `under_attack`.
fn kind_of(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let name = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let mut kind = String::new();
    for (at, c) in name.char_indices() {
        if c.is_uppercase() && at > 0 {
            kind.push('_');
        }
        kind.extend(c.to_lowercase());
    }
    kind
}

/// Figures that the participant counts itself, as they are when they are asked for.
#[derive(Debug)]
struct Seen(watch::Receiver<View>);

impl Collector for Seen {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let view = self.0.borrow().clone();
        let stats = &view.stats;
        let gauges = [
            ("epoch", "Epoch of the group; -1 while no member", view.epoch.map_or(-1, signed)),
            ("members", "Members of the group", signed(view.members as u64)),
            ("media_waiting", "Media objects that wait for their key", signed(view.waiting as u64)),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let opened = view.received.values().map(|received| received.opened).sum();
        let unopenable = view.received.values().map(|received| received.unopenable).sum();
        let counters = [
            ("epochs", "Epochs entered", stats.epochs),
            ("commits_built", "Own commits built", stats.commits_built),
            ("commits_won", "Own commits that won their slot", stats.commits_won),
            ("commits_lost", "Own commits that lost their slot to another", stats.commits_lost),
            ("commits_helped", "Increments sent for the commit of another member", stats.helped),
            ("rejoins", "Times that it asked to be let in again", stats.rejoins),
            ("receipts_used", "Epochs entered by a receipt alone", stats.receipts_used),
            ("bad_receipts", "Answers of the service without a good receipt", stats.bad_receipts),
            ("joiners_dropped", "KeyPackages dropped from the waiting room", stats.joiners_dropped),
            ("media_opened", "Media objects opened", opened),
            ("media_unopenable", "Media objects that no key opens", unopenable),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        let help = "Faults of peers, relays and services, by kind";
        let mut faults = encoder.encode_descriptor("faults", help, None, MetricType::Counter)?;
        for (fault, count) in &stats.faults {
            let labels = [("kind", kind_of(fault))];
            ConstCounter::new(*count).encode(faults.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use moq_mls::counter::Reason;
    use moq_mls::notice::Fault;
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn notices_and_statistics_are_shown() {
        let (view, seen) = watch::channel(View::default());
        let mut registry = crate::metrics::registry();
        let mut metrics = Metrics::register(&mut registry, seen, true);
        metrics.hear(&Notice::UnderAttack { fault: Fault::NotMls, total: 9 });
        metrics.hear(&Notice::ServiceFault(ServiceFault::Refused(Reason::RateLimited)));
        metrics.hear(&Notice::Epoch { epoch: 3, cause: EpochCause::Welcome });
        view.send_modify(|view| {
            view.epoch = Some(3);
            view.stats.commits_won = 2;
            view.stats.faults.insert(Fault::WrongEpoch, 7);
        });
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "moq_mls_participant_epoch 3",
            "moq_mls_participant_commits_won_total 2",
            "moq_mls_participant_attacks_total{kind=\"not_mls\"} 1",
            "moq_mls_participant_refusals_total{by=\"service\",reason=\"rate_limited\"} 1",
            "moq_mls_participant_notices_total{kind=\"epoch\"} 1",
            "moq_mls_participant_join_duration_seconds_count 1",
            "moq_mls_participant_faults_total{kind=\"wrong_epoch\"} 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
