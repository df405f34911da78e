//! Attacks on the device flow: codes that are guessed, used twice, stolen or decided by whom they do not concern.

use super::Tally;
use crate::sign_in::{
    browser,
    device::{Device, answer, decide, proof, somebody},
};
use futures_util::future::join_all;
use reqwest::Method;
use rhone_tests::{browser::Browser, github::GitHub, platform::Platform};
use serde_json::json;

pub(super) async fn attack(platform: &Platform, tally: &mut Tally) {
    codes(platform, tally).await;
    used(platform, tally).await;
    pages(platform, tally).await;
    guesses(platform, tally).await;
    programs(platform, tally).await;
}

/// Whether nobody was let in.
async fn waits(device: &Device, platform: &Platform) -> bool {
    device.poll(platform).await.code() == "authorization_pending"
}

async fn codes(platform: &Platform, tally: &mut Tally) {
    let device = Device::new(platform).await;
    tally.note("a device code that nobody answered", waits(&device, platform).await);
    let guessed = device.ask("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await;
    tally.note("a guessed device code", guessed.code() == "invalid_grant");
    tally.note("the user code as device code", device.ask(&device.user_code).await.code() == "invalid_grant");
}

/// Codes that were decided or redeemed.
async fn used(platform: &Platform, tally: &mut Tally) {
    let person = somebody(platform).await;
    let device = Device::new(platform).await;
    decide(&person, &device.user_code, "approve").await;
    let hasty = Device::new(platform).await;
    decide(&person, &hasty.user_code, "approve").await;
    hasty.change(platform, "polled_at = now()").await;
    tally.note("a program that does not wait", hasty.ask(&hasty.code).await.code() == "slow_down");
    assert_eq!(device.poll(platform).await.status, 200, "the honest way works");
    tally.note("a redeemed device code", device.poll(platform).await.code() == "invalid_grant");

    let device = Device::new(platform).await;
    decide(&person, &device.user_code, "approve").await;
    let replies = join_all((0..8).map(|_| device.ask(&device.code))).await;
    let given = replies.iter().filter(|reply| reply.status == 200).count();
    tally.note("a device code redeemed eight times at once", given == 1);

    let device = Device::new(platform).await;
    decide(&person, &device.user_code, "deny").await;
    let late = decide(&person, &device.user_code, "approve").await;
    tally.note(
        "letting in after turning away",
        late.status == 404 && device.poll(platform).await.code() == "access_denied",
    );

    let (device, other) = (Device::new(platform).await, somebody(platform).await);
    decide(&person, &device.user_code, "approve").await;
    let second = decide(&other, &device.user_code, "approve").await;
    let token = device.poll(platform).await.json()["access_token"].as_str().unwrap_or_default().to_owned();
    let seen = platform.client(&token).data("{ viewer { actor } }", json!({})).await;
    let mine = seen["viewer"]["actor"].as_str() == person.actor().await.as_deref();
    tally.note("letting in what another person let in", second.status == 404 && mine);

    let device = Device::new(platform).await;
    device.change(platform, "expires_at = now() - interval '1 s'").await;
    let late = decide(&person, &device.user_code, "approve").await;
    tally.note("letting in too late", late.status == 404 && device.poll(platform).await.code() == "expired_token");

    let device = Device::new(platform).await;
    decide(&person, &device.user_code, "approve").await;
    let out = person.request(Method::POST, "/auth/logout").header("origin", person.address(""));
    person.send(out).await;
    tally.note(
        "a session that ended before the token was fetched",
        device.poll(platform).await.code() == "access_denied",
    );
}

/// Forms that are not sent by the page.
async fn pages(platform: &Platform, tally: &mut Tally) {
    let (person, api) = (somebody(platform).await, platform.report().urls.api);
    let (device, own) = (Device::new(platform).await, proof(&person).await);
    let stranger = somebody(platform).await;
    let theirs = proof(&stranger).await;
    let nobody = browser(platform);
    let here = Some(api.as_str());
    let attempts: [(&str, &Browser, Option<&str>, &str, u16); 6] = [
        ("letting in without a session", &nobody, here, &own, 401),
        ("letting in without the form's word", &person, here, "", 403),
        ("letting in with another session's word", &person, here, &theirs, 403),
        ("letting in from a page without an Origin", &person, None, &own, 403),
        ("letting in from a page elsewhere", &person, Some("https://evil.test"), &own, 403),
        ("letting in from an opaque page", &person, Some("null"), &own, 403),
    ];
    for (attack, who, origin, proof, status) in attempts {
        let reply = answer(who, origin, proof, &device.user_code, "approve").await;
        tally.note(attack, reply.status.as_u16() == status && waits(&device, platform).await);
    }
    let link = format!("/auth/device?user_code={}&verdict=approve&proof={own}", device.user_code);
    person.get(&link).await;
    tally.note("letting in by a link", waits(&device, platform).await);
    let odd = answer(&person, here, &own, &device.user_code, "approved").await;
    tally.note("a verdict that is none", odd.status == 400 && waits(&device, platform).await);
    assert_eq!(answer(&person, here, &own, &device.user_code, "approve").await.status, 200, "the page itself may");
}

/// User codes tried one after the other.
async fn guesses(platform: &Platform, tally: &mut Tally) {
    let account = GitHub::shared().somebody();
    let (guesser, second) = (browser(platform), browser(platform));
    guesser.sign_in(&account, "/").await;
    second.sign_in(&account, "/").await;
    let (device, own) = (Device::new(platform).await, proof(&guesser).await);
    let api = platform.report().urls.api;
    // Side by side, so that each could be judged before any other was counted.
    let wrong = |_| answer(&guesser, Some(&api), &own, "BBBB-BBBB", "look");
    let replies = join_all((0..20).map(wrong)).await;
    let judged = replies.iter().filter(|reply| reply.status == 404).count();
    let limited = replies.iter().filter(|reply| reply.status == 429).count();
    tally.note(format!("20 user codes at once ({judged} were judged)"), judged == 5 && limited == 15);
    let right = answer(&guesser, Some(&api), &own, &device.user_code, "approve").await;
    let told = right.status == 429 && right.headers.get("retry-after").is_some_and(|after| after == "600");
    tally.note("the right user code after five wrong ones", told && waits(&device, platform).await);
    let elsewhere = decide(&second, &device.user_code, "approve").await;
    tally.note(
        "the same from another session of the guesser",
        elsewhere.status == 429 && waits(&device, platform).await,
    );
    let other = Device::new(platform).await;
    let honest = decide(&somebody(platform).await, &other.user_code, "approve").await;
    assert_eq!(honest.status, 200, "nobody else is held up: {honest:?}");
}

/// Programs that are not ours, or do not speak as RFC 8628 says.
async fn programs(platform: &Platform, tally: &mut Tally) {
    let nobody = browser(platform);
    let post = |path: &str| nobody.request(Method::POST, path);
    let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    let attempts = [
        ("a program of another name", post("/auth/device/code").form(&[("client_id", "evil")]), "invalid_client"),
        ("a program without a name", post("/auth/device/code").form(&[("x", "y")]), "invalid_request"),
        (
            "a program that sends JSON",
            post("/auth/device/code").json(&json!({ "client_id": "rhone-cli" })),
            "invalid_request",
        ),
        (
            "a name that is there twice",
            post("/auth/device/code").form(&[("client_id", "evil"), ("client_id", "rhone-cli")]),
            "invalid_request",
        ),
        (
            "another grant",
            post("/auth/device/token").form(&[("client_id", "rhone-cli"), ("grant_type", "password")]),
            "unsupported_grant_type",
        ),
        (
            "a token without a device code",
            post("/auth/device/token").form(&[("client_id", "rhone-cli"), grant]),
            "invalid_request",
        ),
        (
            "a page elsewhere that begins the flow",
            post("/auth/device/code").header("origin", "https://evil.test").form(&[("client_id", "rhone-cli")]),
            "unauthorized_client",
        ),
    ];
    for (attack, request, code) in attempts {
        let reply = nobody.send(request).await;
        tally.note(attack, reply.code() == code && reply.status.is_client_error());
    }
}
