//! Writes of tag keys, tag values and bindings.

use provider::ErrorKind;
use provider_gcp::marks;
use provider_gcp::write::KeyScope;

use crate::harness::{NUMBER, Sim, path, slow};

#[tokio::test]
async fn keys_and_values_are_made_once_with_their_mark() {
    let sim = Sim::start(slow()).await;
    let (parent, mark) = (format!("projects/{NUMBER}"), marks::description("shop", "class", "role=web"));
    let scope = KeyScope::Network(path("net/v"));
    let key = sim.writer.create_tag_key(&parent, "k", &scope, &mark).await.unwrap();
    let value = sim.writer.create_tag_value(&key.name, "web", &mark).await.unwrap();
    assert!(key.name.starts_with("tagKeys/") && value.name.starts_with("tagValues/"));
    assert_eq!((key.written.calls.len(), value.written.calls.len()), (1, 1));
    let again = sim.writer.create_tag_key(&parent, "k", &scope, &mark).await.unwrap();
    assert_eq!((again.written.calls.len(), again.name), (0, key.name.clone()));
    let again = sim.writer.create_tag_value(&key.name, "web", &mark).await.unwrap();
    assert_eq!((again.written.calls.len(), again.name), (0, value.name.clone()));
    let other = KeyScope::Network(path("net/w"));
    for failed in [
        sim.writer.create_tag_key(&parent, "k", &scope, "theirs").await,
        sim.writer.create_tag_key(&parent, "k", &other, &mark).await,
        sim.writer.create_tag_value(&key.name, "web", "theirs").await,
    ] {
        assert_eq!(failed.unwrap_err().error.kind, ErrorKind::Conflict);
    }
    let everywhere =
        sim.writer.create_tag_key("organizations/123456789012", "k", &KeyScope::Organization, &mark);
    let everywhere = everywhere.await.unwrap();
    let estate = sim.estate().await;
    assert_eq!(estate.tag_keys[&key.name].network, Some(path("net/v")));
    assert_eq!(estate.tag_keys[&everywhere.name].network, None);
    assert_eq!(estate.tag_values[&value.name].description, mark);

    let full = sim.writer.delete_tag(&key.name).await.unwrap_err();
    assert_eq!(full.error.kind, ErrorKind::Conflict, "it has values");
    sim.writer.delete_tag(&value.name).await.unwrap();
    sim.writer.delete_tag(&key.name).await.unwrap();
    assert_eq!(sim.writer.delete_tag(&key.name).await.unwrap_err().error.kind, ErrorKind::Denied);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn values_are_bound_and_taken_off_in_their_zone() {
    let sim = Sim::start(slow()).await;
    let (value, a) = (sim.tag("web"), sim.full_name("a"));
    for calls in [1, 0] {
        assert_eq!(sim.writer.bind(&a, &value).await.unwrap().calls.len(), calls);
    }
    assert_eq!(sim.estate().await.instances[&path("vm/a")].secure_tags, [value.clone()].into());
    let busy = sim.writer.delete_tag(&value).await.unwrap_err();
    assert_eq!(busy.error.kind, ErrorKind::Conflict, "it is bound");
    for calls in [1, 0] {
        assert_eq!(sim.writer.unbind(&a, &value).await.unwrap().calls.len(), calls);
    }
    assert!(sim.estate().await.instances[&path("vm/a")].secure_tags.is_empty());
    sim.assert_no_complaints();
}

#[tokio::test]
async fn a_second_value_of_a_key_is_a_conflict() {
    let sim = Sim::start(slow()).await;
    let (value, a) = (sim.tag("web"), sim.full_name("a"));
    let key = sim.estate().await.tag_values[&value].parent.clone();
    let second = sim.writer.create_tag_value(&key, "db", "").await.unwrap();
    sim.writer.bind(&a, &value).await.unwrap();
    let failed = sim.writer.bind(&a, &second.name).await.unwrap_err();
    assert_eq!((failed.error.kind, failed.error.code.as_str()), (ErrorKind::Conflict, "FAILED_PRECONDITION"));
}
