//! Publishes the statements of the box to an MQTT broker, where Home Assistant discovers the box automatically.
//!
//! ```text
//! PREFIX/device/ID/config      description of the box (Home Assistant's device discovery), retained
//! counterfoil/ID/seen          the last statement: JSON as in the server-sent events, retained
//! counterfoil/ID/status        model, frames, fault, drift: JSON as in /v1/status, every minute and when a drift changes
//! counterfoil/ID/online        online, or offline by last will, retained
//! ```
//!
//! ID is the number from [`identity`](super::identity), because two clients with the same identifier would
//! disconnect each other. If the broker is away, the connection is tried again. Nothing waits for the broker, and
//! statements in the meantime are not sent later.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, ConnectReturnCode, ConnectionError, Event, LastWill, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{interval, sleep};

use super::live;
use super::state::AppState;
use crate::config::Mqtt;

/// Maximum number of messages that wait for the broker; more are dropped. A folder may get a thousand files at once.
const WAITING: usize = 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Time between two attempts to connect to the broker.
const AGAIN: Duration = Duration::from_secs(5);
/// Time between two status messages.
const STATUS: Duration = Duration::from_mins(1);

/// The topics of one box.
struct Topics {
    config: String,
    seen: String,
    status: String,
    online: String,
    /// Topic on which Home Assistant announces that it has started.
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

    /// Deletes the messages that the broker retains under these topics, so that Home Assistant removes the device.
    fn take_back(&self, client: &AsyncClient) {
        for topic in [&self.config, &self.seen, &self.online] {
            let _ = client.try_publish(topic, QoS::AtLeastOnce, true, "");
        }
    }
}

/// Runs the connection to the broker until the future is dropped. Problems are reported to `complain`,
/// once for each reason.
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
    let (mut trouble, mut connected, mut drift) = (None, false, None);
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
                Ok(seen) if connected => {
                    publish(&client, &topics.seen, &json!(&*seen), true);
                    let now = state.live.now().drift;
                    if std::mem::replace(&mut drift, now) != now {
                        publish(&client, &topics.status, &json!(state.status()), false);
                    }
                }
                // While the broker is away nothing is queued, so that the queue has room for the
                // messages after it is back.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            _ = minute.tick(), if connected => publish(&client, &topics.status, &json!(state.status()), false),
        }
    }
}

/// Sends everything that a subscriber needs to know about a box that is new to it.
fn announce(client: &AsyncClient, topics: &Topics, id: &str, state: &AppState) {
    publish(client, &topics.config, &discovery(topics, id, state), true);
    let _ = client.try_publish(&topics.online, QoS::AtLeastOnce, true, "online");
    publish(client, &topics.status, &json!(state.status()), false);
    // Overwrites the statement that the broker may have retained from before the box was switched off.
    let seen = state.live.now().seen.map_or_else(live::nothing, |seen| (*seen).clone());
    publish(client, &topics.seen, &json!(seen), true);
}

fn publish(client: &AsyncClient, topic: &str, what: &Value, keep: bool) {
    // A full queue means that the connection to the broker is lost. The newest state is sent when it is back.
    let _ = client.try_publish(topic, QoS::AtLeastOnce, keep, what.to_string());
}

/// Home Assistant's device-based discovery message:
/// <https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>.
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
    let mut calibrate = alarm("Calibrate", "calibrate", "", "problem");
    calibrate["state_topic"] = json!(topics.status);
    calibrate["value_template"] = json!("{{ 'ON' if (value_json.drift | default({})).kind == 'changed' else 'OFF' }}");
    calibrate["json_attributes_topic"] = json!(topics.status);
    calibrate["json_attributes_template"] = json!("{{ value_json.drift | default({}) | tojson }}");
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
            "calibrate": calibrate,
        },
    })
}

/// The identifier of a box in topics up to version 0.1: its name, which two boxes can share.
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
