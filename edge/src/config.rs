//! Reads `/etc/counterfoil/edge.toml` into a [`Config`]. Every key has a default; for an unknown key
//! the error names the nearest known one.

use std::fmt;
use std::fs;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use counterfoil_models::protocol::PORT;
use counterfoil_models::{Region, naming};
use serde::{Deserialize, Deserializer};

use crate::camera::{SIZE, Spec};
use crate::show::board::{Kind, Pins};
use crate::watch::state::Mode;
use crate::watch::vote::Quorum;
use crate::{Error, Result};

/// Path of the configuration file that the service reads.
pub const CONFIG_PATH: &str = "/etc/counterfoil/edge.toml";
/// Default folder for everything that the box stores.
pub const STATE: &str = "/var/lib/counterfoil";

/// Configuration of the box: all keys of the TOML file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where pictures come from: `rpicam`, `rpicam:yuv420`, `v4l2:/dev/v4l/by-id/...`, `dir:FOLDER`,
    /// `stdin` or `none`.
    #[serde(deserialize_with = "parsed")]
    pub source: Spec,
    /// Width and height in pixels that are requested from a camera; the camera may give others.
    pub size: [u32; 2],
    /// A bundle's folder; if absent, the model that `model select` chose.
    pub bundle: Option<PathBuf>,
    /// The folder for everything that the box stores.
    pub state: PathBuf,
    /// `always` judges every frame of a camera; `button` judges frames only after a press of the button.
    pub mode: Mode,
    /// How many of the last frames must give the same verdict: `[3, 5]` is 3 of the last 5.
    #[serde(deserialize_with = "quorum")]
    pub agree: Quorum,
    /// The part of a camera's picture that is judged, `[x, y, width, height]` in fractions 0..1: the
    /// area of the guide frame.
    #[serde(deserialize_with = "region")]
    pub guide: Region,
    /// How lights and button are accessed: `auto`, `rpi`, `gpiochip`, `console` or `none`.
    pub lights: Kind,
    /// BCM numbers of the pins on the header.
    pub pins: Pins,
    /// I2C bus of the display: 1 for `/dev/i2c-1`, -1 for no display.
    pub screen: i16,
    /// Whether verdicts are written to the journal in `STATE/journal`.
    pub journal: bool,
    /// Whether pictures with the verdict unsure are kept in `STATE/unsure`, for the next training.
    pub keep_unsure: bool,
    /// Network services of the box.
    pub network: Network,
    /// The MQTT broker of a home automation system, if there is one.
    pub mqtt: Option<Mqtt>,
}

/// Configuration of the network services.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Address and port of the TLS listener; if absent, the box does not listen.
    #[serde(deserialize_with = "listening")]
    pub listen: Option<SocketAddr>,
    /// Address and port of a read-only page over plain HTTP; if absent, there is no page.
    #[serde(deserialize_with = "listening")]
    pub page: Option<SocketAddr>,
    /// Whether the page may be read without a token.
    pub public: bool,
    /// Whether the box is announced on the local network (mDNS).
    pub announce: bool,
    /// Name of the box on the network; if absent, the host name.
    #[serde(deserialize_with = "named")]
    pub name: Option<String>,
    /// Further host names under which the box is addressed, as a proxy or a router's DNS may have given it.
    pub hosts: Vec<String>,
}

impl Default for Network {
    fn default() -> Self {
        Self { listen: None, page: None, public: true, announce: true, name: None, hosts: Vec::new() }
    }
}

/// The MQTT broker to which the box publishes its verdicts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mqtt {
    /// Host and port of the broker.
    #[serde(deserialize_with = "parsed")]
    pub broker: Broker,
    /// User name for the broker, if it needs one.
    pub user: Option<String>,
    /// Password for the broker; has an effect only with `user`.
    pub password: Option<String>,
    /// Topic prefix of Home Assistant's discovery messages.
    #[serde(default = "homeassistant")]
    pub prefix: String,
}

fn homeassistant() -> String {
    "homeassistant".into()
}

/// Default port of an MQTT broker.
const MQTT_PORT: u16 = 1883;

/// Host and port of an MQTT broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Broker(String, u16);

impl Broker {
    /// Splits the broker into host and port.
    #[must_use]
    pub fn into_parts(self) -> (String, u16) {
        (self.0, self.1)
    }
}

impl FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("`{text}` is no broker; {why}");
        let plain = match text.split_once("://") {
            None => text,
            Some(("mqtt" | "tcp", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some((scheme, _)) => {
                return Err(bad(&format!(
                    "{scheme}:// is not spoken here, only MQTT over plain TCP: mqtt://HOST:1883, on a network you trust"
                )));
            }
        };
        if plain.contains('@') {
            return Err(bad("`user` and `password` are keys of their own in [mqtt]"));
        }
        // An IPv6 address contains colons itself.
        let (host, port) = match plain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or(port))),
            None if plain.parse::<Ipv6Addr>().is_ok() => (plain, None),
            None => plain.rsplit_once(':').map_or((plain, None), |(host, port)| (host, Some(port))),
        };
        let is_address = host.parse::<Ipv6Addr>().is_ok();
        let is_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_');
        if host.is_empty() || !is_address && !host.chars().all(is_name) {
            return Err(bad("expected HOST, HOST:PORT or mqtt://HOST:PORT, without a path or spaces"));
        }
        let port = match port.map_or(Ok(MQTT_PORT), str::parse) {
            Ok(0) | Err(_) => return Err(bad("expected HOST or HOST:PORT, a port from 1 to 65535")),
            Ok(port) => port,
        };
        Ok(Self(host.to_owned(), port))
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]:{}", self.0, self.1) } else { write!(f, "{}:{}", self.0, self.1) }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: Spec::Rpicam(crate::camera::Codec::Mjpeg),
            size: [SIZE.0, SIZE.1],
            bundle: None,
            state: STATE.into(),
            mode: Mode::Always,
            agree: Quorum::default(),
            guide: Region::WHOLE,
            lights: Kind::Auto,
            pins: Pins::default(),
            screen: 1,
            journal: true,
            keep_unsure: false,
            network: Network::default(),
            mqtt: None,
        }
    }
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`Error::Config`], with the file, the line and what was expected.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|e| fault(path, format!("cannot be read ({e}); check its name and whose it is")))?;
        Self::parse(&text).map_err(|what| fault(path, what))
    }

    /// The keys that are set but have no effect, given the other keys. Each entry is a sentence that says what to do.
    #[must_use]
    pub fn without_effect(&self) -> Vec<String> {
        let (usual, source, network) = (Self::default(), &self.source, &self.network);
        let asked = matches!(source, Spec::Rpicam(_) | Spec::V4l2(_));
        let frames = asked || *source == Spec::Stdin;
        let (listens, speaks) = (network.listen.is_some(), self.mqtt.is_some());
        let wired = !matches!(self.lights, Kind::Console | Kind::None);
        let password_alone = self.mqtt.as_ref().is_some_and(|mqtt| mqtt.password.is_some() && mqtt.user.is_none());
        let checks = [
            (
                network.page.is_some() && !listens,
                "[network] `page`",
                "set `listen` too; only `serve` listens without it",
            ),
            (network.name.is_some() && !listens && !speaks, "[network] `name`", "set `listen`, or [mqtt] `broker`"),
            (password_alone, "[mqtt] `password`", "set `user` too"),
            (self.size != usual.size && !asked, "`size`", "only rpicam and v4l2 cameras are asked for a size"),
            (self.agree != usual.agree && !frames, "`agree`", "only a camera's frames have to agree"),
            (self.guide != usual.guide && !frames, "`guide`", "only a camera's frames are cut to it"),
            (
                !source.looks() && !listens,
                "`source = \"none\"`",
                "without [network] `listen` there is nothing to judge",
            ),
            (self.keep_unsure && !source.looks(), "`keep_unsure`", "there is no source of pictures to keep"),
            (self.pins != usual.pins && !wired, "[pins]", "set `lights` to auto, rpi or gpiochip"),
            (self.mode == Mode::Button && !frames, "`mode = \"button\"`", "each file is judged as it comes"),
            (
                self.mode == Mode::Button && frames && !listens && (!wired || self.pins.button.is_none()),
                "`mode = \"button\"`",
                "nothing would ever be judged: there is no button; set `lights` and [pins] `button`, or mode = \"always\"",
            ),
        ];
        let idle = checks.iter().filter(|(idle, ..)| *idle);
        idle.map(|(_, key, what)| format!("{key} has no effect: {what}")).collect()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let message = error.message();
            let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
            let nearest = unknown.and_then(|unknown| nearest(unknown, message));
            let hint = nearest.map_or(String::new(), |nearest| format!("; did you mean `{nearest}`?"));
            format!("line {line}: {message}{hint}")
        })?;
        if config.network.page.is_some() && !config.network.public {
            return Err("[network] `page` would show to all what `public = false` closes; leave one of them out".into());
        }
        Ok(config)
    }
}

/// Parses a listening address: a numeric IP address of this machine, or the unspecified address for all
/// interfaces, and a port.
///
/// # Errors
/// A message that says what is wrong and what was expected.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let why = match text.rsplit_once(':') {
            _ if text.contains("://") => "leave out what stands before the address, and any path",
            _ if text.parse::<std::net::IpAddr>().is_ok() => "the port is missing",
            None => "an address and a port are needed",
            Some((_, port)) if !port.is_empty() && port.parse::<u16>().is_err() => "a port is a number up to 65535",
            Some(_) => "the address is one of this machine's, in numbers",
        };
        format!("`{text}` is no place to listen: {why}; expected ADDRESS:PORT, 0.0.0.0:{PORT} or [::]:{PORT} for every network")
    })
}

fn listening<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    address(&String::deserialize(deserializer)?).map(Some).map_err(serde::de::Error::custom)
}

fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    naming::name(&String::deserialize(deserializer)?).map(Some).map_err(serde::de::Error::custom)
}

/// Of the names in the error's list of expected names, the one nearest to the mistyped name.
fn nearest<'a>(unknown: &str, message: &'a str) -> Option<&'a str> {
    let expected = message.split_once("expected").map(|(_, expected)| expected)?;
    let names = expected.split('`').skip(1).step_by(2);
    let scored = names.map(|name| (strsim::damerau_levenshtein(unknown, name), name));
    scored.min().filter(|(distance, _)| *distance <= unknown.len().div_ceil(2)).map(|(_, name)| name)
}

fn fault(path: &Path, what: String) -> Error {
    Error::Config { path: path.to_path_buf(), what }
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn region<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Region, D::Error> {
    let region = Region::deserialize(deserializer)?;
    region.validate("guide").map_err(serde::de::Error::custom)?;
    Ok(region)
}

fn quorum<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Quorum, D::Error> {
    let [needed, of] = <[usize; 2]>::deserialize(deserializer)?;
    Quorum::new(needed, of).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "agree = [{needed}, {of}]; expected [N, M], N of the last M frames, more than half and M at most 100"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_shipped_says_the_defaults() {
        let text = include_str!("../debian/edge.toml");
        assert_eq!(Config::parse(text).unwrap(), Config::default());
        // With the comment marks removed, every key is set.
        let all: String =
            text.lines().map(|line| line.strip_prefix("#= ").unwrap_or(line)).collect::<Vec<_>>().join("\n");
        let all = Config::parse(&all).unwrap();
        assert!(all.network.listen.is_some() && all.network.page.is_some() && all.mqtt.is_some());
        let usual = Config::default();
        let network = usual.network.clone();
        assert_eq!(Config { bundle: None, pins: Pins::default(), network, mqtt: None, ..all }, usual);
    }

    #[test]
    fn a_pin_of_minus_one_is_left_alone() {
        let pins = Config::parse("[pins]\nbuzzer = -1\nbutton = -1").unwrap().pins;
        assert_eq!(pins, Pins { buzzer: None, button: None, ..Pins::default() });
    }

    #[test]
    fn a_mistyped_key_is_refused_with_the_nearest_one() {
        let error = Config::parse("mode = \"always\"\nlihgts = \"none\"").unwrap_err();
        assert!(error.contains("line 2") && error.contains("did you mean `lights`?"), "{error}");
        let error = Config::parse("[pins]\ngren = 4").unwrap_err();
        assert!(error.contains("did you mean `green`?"), "{error}");
    }

    #[test]
    fn a_value_of_another_kind_is_refused_with_what_was_expected() {
        for (text, expected) in [
            ("source = \"webcam\"", "expected rpicam"),
            ("agree = [2, 5]", "more than half"),
            ("mode = \"sometimes\"", "`always`"),
            ("journal = 1", "expected a boolean"),
            ("[pins]\nbuzzer = 300", "-1 for none"),
            ("guide = [0.5, 0.5, 0.6, 0.5]", "inside the picture"),
            ("[network]\npage = \"0.0.0.0:80\"\npublic = false", "leave one of them out"),
            ("[mqtt]\nbroker = \"here:there\"", "expected HOST or HOST:PORT"),
            ("[network]\nlisten = \"http://0.0.0.0:7443\"", "leave out what stands before"),
            ("[network]\nlisten = \"0.0.0.0\"", "the port is missing"),
            ("[network]\nlisten = \"7443\"", "expected ADDRESS:PORT"),
            ("[network]\nlisten = \"0.0.0.0:74430\"", "up to 65535"),
            ("[network]\npage = \"localhost:8080\"", "in numbers"),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_broker_is_a_host_or_the_url_of_one() {
        for (text, shown) in [
            ("home.local", "home.local:1883"),
            ("10.0.0.2:1884", "10.0.0.2:1884"),
            ("mqtt://home.local:1883", "home.local:1883"),
            ("mqtt://home.local/", "home.local:1883"),
            ("tcp://home.local", "home.local:1883"),
            ("::1", "[::1]:1883"),
            ("mqtt://[fe80::1]:99", "[fe80::1]:99"),
        ] {
            assert_eq!(text.parse::<Broker>().unwrap().to_string(), shown);
        }
        for (text, expected) in [
            ("mqtts://home.local", "mqtts:// is not spoken here"),
            ("wss://home.local/mqtt", "wss:// is not spoken here"),
            ("mqtt://ann:secret@home.local", "`password` are keys of their own"),
            ("mqtt://home.local/topic", "without a path"),
            ("home .local:1883", "spaces"),
            ("", "expected HOST"),
            (":1883", "expected HOST"),
            ("home.local:", "1 to 65535"),
            ("home.local:0", "1 to 65535"),
            ("home.local:65536", "1 to 65535"),
        ] {
            let error = text.parse::<Broker>().unwrap_err();
            assert!(error.contains(&format!("`{text}`")) && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_key_that_does_nothing_without_another_is_named() {
        for (text, key) in [
            ("[network]\npage = \"0.0.0.0:8080\"", "`page`"),
            ("[network]\nname = \"till\"", "`name`"),
            ("[mqtt]\nbroker = \"home\"\npassword = \"x\"", "`password`"),
            ("source = \"stdin\"\nsize = [640, 480]", "`size`"),
            ("source = \"dir:x\"\nagree = [1, 1]", "`agree`"),
            ("source = \"dir:x\"\nguide = [0.1, 0.1, 0.5, 0.5]", "`guide`"),
            ("source = \"dir:x\"\nmode = \"button\"", "each file is judged"),
            ("source = \"none\"", "nothing to judge"),
            ("source = \"none\"\nkeep_unsure = true\n[network]\nlisten = \"0.0.0.0:7443\"", "`keep_unsure`"),
            ("lights = \"none\"\nmode = \"button\"", "there is no button"),
            ("lights = \"none\"\n[pins]\ngreen = 5", "[pins]"),
        ] {
            let idle = Config::parse(text).unwrap().without_effect();
            assert!(idle.len() == 1 && idle[0].contains(key) && idle[0].contains("has no effect"), "{text}: {idle:?}");
        }
        for text in [
            "",
            "[network]\nlisten = \"0.0.0.0:7443\"\npage = \"0.0.0.0:8080\"\nname = \"till\"",
            "[network]\nname = \"till\"\n[mqtt]\nbroker = \"home\"\nuser = \"a\"\npassword = \"x\"",
            "source = \"dir:x\"\nagree = [3, 5]\nsize = [1280, 720]",
            "lights = \"none\"\nmode = \"button\"\n[network]\nlisten = \"0.0.0.0:7443\"",
        ] {
            assert_eq!(Config::parse(text).unwrap().without_effect(), [""; 0], "{text}");
        }
    }
}
