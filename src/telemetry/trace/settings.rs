//! What the standard `OTEL_*` variables say. As the standard wants it, a wrong value is told of and
//! left out, never a reason not to start.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::sampler::Sampler;

/// Where and how traces are sent. `Debug` shows no header's value.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The collector's address for traces.
    pub endpoint: Uri,
    /// Sent with every batch.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Longest time for one batch.
    pub timeout: Duration,
    /// `service.name` and the like.
    pub resource: Vec<(String, String)>,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// When and how many spans are sent at once.
    pub batch: Batch,
}

/// `OTEL_BSP_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Spans that may wait; more are dropped and counted.
    pub queue: usize,
    /// Most spans in one call.
    pub size: usize,
    /// Longest time that a span waits.
    pub delay: Duration,
}

impl Default for Batch {
    fn default() -> Self {
        Self { queue: 2048, size: 512, delay: Duration::from_secs(5) }
    }
}

/// A variable whose value is not used. The value is not shown: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// The variable.
    pub variable: &'static str,
    /// Why.
    pub reason: &'static str,
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.reason)
    }
}

impl Settings {
    /// Reads the variables through `value`; `None` where traces are off: no endpoint is set, or one
    /// of the switches says so. What could not be used is added to `unused`.
    pub fn read<'a>(value: impl Fn(&str) -> Option<&'a str>) -> (Option<Self>, Vec<Unused>) {
        let mut reader = Reader { value, unused: Vec::new() };
        let settings = reader.settings();
        (settings, reader.unused)
    }
}

struct Reader<V> {
    value: V,
    unused: Vec<Unused>,
}

impl<'a, V: Fn(&str) -> Option<&'a str>> Reader<V> {
    /// Empty counts as not set.
    fn value(&self, name: &str) -> Option<&'a str> {
        (self.value)(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The variable for traces wins over the one for all signals.
    fn either(&self, [own, general]: [&'static str; 2]) -> Option<(&'static str, &'a str)> {
        let of = |name| self.value(name).map(|value| (name, value));
        of(own).or_else(|| of(general))
    }

    fn refuse(&mut self, variable: &'static str, reason: &'static str) {
        self.unused.push(Unused { variable, reason });
    }

    fn settings(&mut self) -> Option<Settings> {
        if self.value("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true")) {
            return None;
        }
        match self.value("OTEL_TRACES_EXPORTER") {
            None | Some("otlp") => {}
            Some("none") => return None,
            Some(_) => {
                self.refuse("OTEL_TRACES_EXPORTER", "only `otlp` and `none` are known");
                return None;
            }
        }
        let endpoint = self.endpoint()?;
        if let Some((name, protocol)) = self.either(PROTOCOL)
            && protocol != "http/protobuf"
        {
            self.refuse(name, "only `http/protobuf` is spoken");
        }
        Some(Settings {
            endpoint,
            headers: self.headers(),
            timeout: self.milliseconds(TIMEOUT, Duration::from_secs(10)),
            resource: self.resource(),
            sampler: self.sampler(),
            batch: self.batch(),
        })
    }

    /// The address for traces as it stands, or `/v1/traces` under the address for all signals.
    fn endpoint(&mut self) -> Option<Uri> {
        let [own, general] = ENDPOINT;
        let (name, address) = if let Some(address) = self.value(own) {
            (own, address.to_owned())
        } else {
            let base = self.value(general)?.trim_end_matches('/');
            (general, format!("{base}/v1/traces"))
        };
        let address = address.parse::<Uri>().ok().filter(|address| {
            matches!(address.scheme_str(), Some("http" | "https")) && address.host().is_some()
        });
        if address.is_none() {
            self.refuse(name, "not an http or https URL; no trace is sent");
        }
        address
    }

    fn headers(&mut self) -> Vec<(HeaderName, HeaderValue)> {
        let Some((variable, text)) = self.either(HEADERS) else { return Vec::new() };
        let headers = pairs(text).and_then(|pairs| {
            let header = |(name, value): (String, String)| {
                let mut value = HeaderValue::try_from(value).ok()?;
                value.set_sensitive(true);
                Some((HeaderName::try_from(name).ok()?, value))
            };
            pairs.into_iter().map(header).collect()
        });
        headers.unwrap_or_else(|| {
            self.refuse(variable, "expected name=value pairs with commas between them");
            Vec::new()
        })
    }

    fn resource(&mut self) -> Vec<(String, String)> {
        let variable = "OTEL_RESOURCE_ATTRIBUTES";
        let given = self.value(variable).map(pairs);
        if given == Some(None) {
            self.refuse(variable, "expected name=value pairs with commas between them");
        }
        let mut resource = given.flatten().unwrap_or_default();
        let own_name = self.value("OTEL_SERVICE_NAME");
        if own_name.is_some() {
            resource.retain(|(name, _)| name != SERVICE_NAME);
        }
        let mut add = |name: &str, value: &str| {
            if !resource.iter().any(|(known, _)| known == name) {
                resource.push((name.to_owned(), value.to_owned()));
            }
        };
        add(SERVICE_NAME, own_name.unwrap_or(env!("CARGO_PKG_NAME")));
        add("service.version", env!("CARGO_PKG_VERSION"));
        add("telemetry.sdk.name", env!("CARGO_PKG_NAME"));
        add("telemetry.sdk.language", "rust");
        add("telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
        resource
    }

    fn sampler(&mut self) -> Sampler {
        let Some(name) = self.value("OTEL_TRACES_SAMPLER") else { return Sampler::default() };
        let sampler = Sampler::named(name, self.value("OTEL_TRACES_SAMPLER_ARG"));
        sampler.unwrap_or_else(|| {
            self.refuse("OTEL_TRACES_SAMPLER", "unknown, or its argument is not between 0 and 1");
            Sampler::default()
        })
    }

    fn batch(&mut self) -> Batch {
        let default = Batch::default();
        let queue = self.number("OTEL_BSP_MAX_QUEUE_SIZE", default.queue).min(MOST_QUEUED);
        let size = self.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", default.size).min(queue);
        let delay = ["OTEL_BSP_SCHEDULE_DELAY"; 2];
        Batch { queue, size, delay: self.milliseconds(delay, default.delay) }
    }

    fn number(&mut self, variable: &'static str, default: usize) -> usize {
        let Some(text) = self.value(variable) else { return default };
        text.parse().ok().filter(|number| *number > 0).unwrap_or_else(|| {
            self.refuse(variable, "expected a number above 0");
            default
        })
    }

    fn milliseconds(&mut self, variables: [&'static str; 2], default: Duration) -> Duration {
        let Some((variable, text)) = self.either(variables) else { return default };
        match text.parse() {
            Ok(milliseconds) if milliseconds > 0 => Duration::from_millis(milliseconds),
            _ => {
                self.refuse(variable, "expected a number of milliseconds above 0");
                default
            }
        }
    }
}

const SERVICE_NAME: &str = "service.name";

/// A queue that holds more is no bound.
const MOST_QUEUED: usize = 65_536;

const ENDPOINT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const TIMEOUT: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// `name=value,name=value`, values percent-encoded (W3C Baggage §3.3).
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let members = text.split(',').map(str::trim).filter(|member| !member.is_empty());
    let pair = |member: &str| {
        let (name, value) = member.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name = name.trim();
        (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
    };
    members.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sampler::Share;
    use super::*;

    fn read(variables: &[(&str, &'static str)]) -> (Option<Settings>, Vec<&'static str>) {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|v| v.1);
        let (settings, unused) = Settings::read(value);
        (settings, unused.into_iter().map(|unused| unused.variable).collect())
    }

    const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

    #[test]
    fn nothing_is_on_without_an_endpoint() {
        for variables in [
            &[][..],
            &[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_SERVICE_NAME", "x")],
            &[BASE, ("OTEL_SDK_DISABLED", "TRUE")],
            &[BASE, ("OTEL_TRACES_EXPORTER", "none")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
        ] {
            assert_eq!(read(variables), (None, Vec::new()), "{variables:?}");
        }
    }

    #[test]
    fn the_address_for_traces_is_taken_as_it_stands() {
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://other/in");
        let endpoint = |variables| read(variables).0.unwrap().endpoint.to_string();
        assert_eq!(endpoint(&[BASE]), "http://collector:4318/v1/traces");
        assert_eq!(endpoint(&[BASE, own]), "https://other/in");
    }

    #[test]
    fn everything_has_its_default() {
        let settings = read(&[BASE]).0.unwrap();
        assert_eq!((settings.timeout, settings.headers), (Duration::from_secs(10), vec![]));
        assert_eq!((settings.sampler, settings.batch), (Sampler::default(), Batch::default()));
        assert_eq!(settings.resource[0], ("service.name".to_owned(), "parapet".to_owned()));
    }

    #[test]
    fn everything_can_be_said() {
        let settings = read(&[
            BASE,
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t%2Cx, x-team = a"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "99"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1500"),
            ("OTEL_SERVICE_NAME", "front"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=lost,deployment.environment.name=test"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ]);
        let (Some(settings), unused) = settings else { panic!("off") };
        assert!(unused.is_empty(), "{unused:?}");
        let headers: Vec<_> = settings.headers.iter().map(|(n, v)| (n.as_str(), v)).collect();
        assert_eq!(headers[0], ("authorization", &HeaderValue::from_static("Bearer t,x")));
        assert_eq!(headers[1], ("x-team", &HeaderValue::from_static("a")));
        assert!(!format!("{settings:?}").contains("Bearer"));
        assert_eq!(settings.timeout, Duration::from_millis(1_500));
        let resource: Vec<_> =
            settings.resource.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert!(resource.contains(&("service.name", "front")));
        assert!(resource.contains(&("deployment.environment.name", "test")));
        assert_eq!(resource.iter().filter(|(name, _)| *name == "service.name").count(), 1);
        assert_eq!(settings.sampler, Sampler { share: Share::Part(0.5), follows_parent: false });
        let delay = Duration::from_millis(20);
        assert_eq!(settings.batch, Batch { queue: 100, size: 100, delay });
    }

    #[test]
    fn what_cannot_be_used_is_named_without_its_value() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://collector"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "SECRET"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=SECRET"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_RESOURCE_ATTRIBUTES", "SECRET"),
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ] {
            let (_, unused) = read(&[BASE, (name, value)]);
            assert_eq!(unused, [name], "{value}");
        }
    }
}
