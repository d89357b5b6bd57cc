//! What the box says, for home automation: to an MQTT broker, where Home Assistant finds it by itself.
//!
//! ```text
//! PREFIX/device/ID/config      what the box is (Home Assistant's discovery by device), kept by the broker
//! counterfoil/ID/seen          what it last said: JSON as the server-sent events have it, kept
//! counterfoil/ID/status        model, frames, fault: JSON as /v1/status has it, every minute
//! counterfoil/ID/online        online, or offline by last will, kept
//! ```
//!
//! ID is [`identity`](super::identity)'s number, because two boxes by one name would throw each other off the broker. A broker that is away is
//! tried again; nothing waits for it, and what is said meanwhile it never hears.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, ConnectReturnCode, ConnectionError, Event, LastWill, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{interval, sleep};

use super::live;
use super::state::AppState;
use crate::config::Mqtt;

/// Messages that wait for the broker; more are dropped. A folder may get a thousand files at once.
const WAITING: usize = 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Between two attempts to reach the broker.
const AGAIN: Duration = Duration::from_secs(5);
/// Between two messages about how the box is.
const STATUS: Duration = Duration::from_mins(1);

/// The topics of one box.
struct Topics {
    config: String,
    seen: String,
    status: String,
    online: String,
    /// Home Assistant says here that it has just begun.
    birth: String,
}

impl Topics {
    fn of(id: &str, prefix: &str) -> Self {
        let own = |what: &str| format!("counterfoil/{id}/{what}");
        Self {
            config: format!("{prefix}/device/{id}/config"),
            seen: own("seen"),
            status: own("status"),
            online: own("online"),
            birth: format!("{prefix}/status"),
        }
    }

    /// Has the broker forget what it keeps under these topics, so that Home Assistant drops the device.
    fn take_back(&self, client: &AsyncClient) {
        for topic in [&self.config, &self.seen, &self.online] {
            let _ = client.try_publish(topic, QoS::AtLeastOnce, true, "");
        }
    }
}

/// Speaks to the broker until it is dropped; what is wrong with it is given to `complain`, once for each reason.
pub(super) async fn speak(
    settings: Mqtt,
    id: String,
    state: Arc<AppState>,
    complain: impl Fn(String) + Send + 'static,
) {
    let topics = Topics::of(&id, &settings.prefix);
    let (host, port) = settings.broker.clone().into_parts();
    let mut options = MqttOptions::new(format!("counterfoil-{id}"), host, port);
    options.set_keep_alive(KEEP_ALIVE).set_last_will(LastWill::new(&topics.online, "offline", QoS::AtLeastOnce, true));
    if let Some(user) = &settings.user {
        options.set_credentials(user, settings.password.clone().unwrap_or_default());
    }
    let (client, mut broker) = AsyncClient::new(options, WAITING);
    let mut news = state.live.listen();
    let mut minute = interval(STATUS);
    let (mut trouble, mut connected) = (None, false);
    loop {
        tokio::select! {
            event = broker.poll() => match event {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    (trouble, connected) = (None, true);
                    let _ = client.try_subscribe(&topics.birth, QoS::AtLeastOnce);
                    Topics::of(&formerly(&state.name), &settings.prefix).take_back(&client);
                    announce(&client, &topics, &id, &state);
                }
                Ok(Event::Incoming(Packet::Publish(birth))) if birth.topic == topics.birth && &birth.payload[..] == b"online" => {
                    announce(&client, &topics, &id, &state);
                }
                Ok(_) => {}
                Err(error) => {
                    connected = false;
                    let what = told(&settings, &error);
                    if trouble.as_ref() != Some(&what) {
                        complain(what.clone());
                        trouble = Some(what);
                    }
                    sleep(AGAIN).await;
                }
            },
            seen = news.recv() => match seen {
                Ok(seen) if connected => publish(&client, &topics.seen, &json!(&*seen), true),
                // What would wait for a broker that is away would fill the room for what it must hear when it is back.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            _ = minute.tick(), if connected => publish(&client, &topics.status, &json!(state.status()), false),
        }
    }
}

/// All a listener must know who hears of the box for the first time.
fn announce(client: &AsyncClient, topics: &Topics, id: &str, state: &AppState) {
    publish(client, &topics.config, &discovery(topics, id, state), true);
    let _ = client.try_publish(&topics.online, QoS::AtLeastOnce, true, "online");
    publish(client, &topics.status, &json!(state.status()), false);
    // The broker may have kept what the box said before it was last switched off.
    let seen = state.live.now().seen.map_or_else(live::nothing, |seen| (*seen).clone());
    publish(client, &topics.seen, &json!(seen), true);
}

fn publish(client: &AsyncClient, topic: &str, what: &Value, keep: bool) {
    // With no room the broker is about to be found away; it hears of the newest when it is back.
    let _ = client.try_publish(topic, QoS::AtLeastOnce, keep, what.to_string());
}

/// Home Assistant's device-based discovery message: <https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>.
fn discovery(topics: &Topics, id: &str, state: &AppState) -> Value {
    let sensor = |name: &str, key: &str, template: &str, icon: &str| {
        json!({
            "p": "sensor", "name": name, "unique_id": format!("counterfoil-{id}_{key}"), "state_topic": topics.seen,
            "value_template": template, "icon": icon,
        })
    };
    let alarm = |name: &str, key: &str, said: &str, class: &str| {
        json!({
            "p": "binary_sensor", "name": name, "unique_id": format!("counterfoil-{id}_{key}"), "state_topic": topics.seen,
            "value_template": format!("{{{{ 'ON' if value_json.said == '{said}' else 'OFF' }}}}"), "device_class": class,
        })
    };
    json!({
        "dev": {
            "ids": [format!("counterfoil-{id}")], "name": state.name, "mf": "Counterfoil", "mdl": "Counterfoil box", "sw": env!("CARGO_PKG_VERSION"),
        },
        "o": { "name": "counterfoil-edge", "sw": env!("CARGO_PKG_VERSION") },
        "availability_topic": topics.online,
        "cmps": {
            "verdict": sensor("Verdict", "verdict", "{{ value_json.said }}", "mdi:magnify-scan"),
            "p_value": sensor("p-value", "p_value", "{{ value_json.p_value | default(none) }}", "mdi:chart-bell-curve"),
            "counterfeit": alarm("Counterfeit", "counterfeit", "counterfeit", "problem"),
            "fault": alarm("Camera fault", "fault", "fault", "problem"),
        },
    })
}

/// What stood for a box in topics up to version 0.1: its name, which two boxes may share.
fn formerly(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

fn told(settings: &Mqtt, error: &ConnectionError) -> String {
    let broker = &settings.broker;
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => {
            format!("the MQTT broker at {broker} refuses this box; check [mqtt] user and password")
        }
        error => format!("the MQTT broker at {broker} cannot be reached ({error}); trying again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boxs_number_makes_its_topics_and_its_name_made_them_once() {
        let topics = Topics::of("0123456789", "homeassistant");
        assert_eq!(topics.config, "homeassistant/device/0123456789/config");
        assert_eq!(topics.seen, "counterfoil/0123456789/seen");
        assert_eq!(Topics::of(&formerly("Till 2/#+"), "ha").config, "ha/device/Till_2___/config");
    }
}
