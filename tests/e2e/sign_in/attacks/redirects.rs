//! Links that should end at another site after an honest sign-in.

use super::Tally;
use crate::sign_in::browser;
use reqwest::{Method, Url};
use rhone_tests::{browser::SIGN_IN, platform::Platform};

/// Every spelling of another site that a browser, a proxy or a decoder might read so.
const SPELLINGS: [&str; 24] = [
    "https://evil.test",
    "http:evil.test",
    "//evil.test",
    "///evil.test",
    "////evil.test/%2f..",
    "/\\evil.test",
    "\\\\evil.test",
    "\\/evil.test",
    "/%2fevil.test",
    "/%5cevil.test",
    "/%252fevil.test",
    "/.//evil.test",
    "/..//evil.test",
    "/%2e%2e//evil.test",
    "/\t/evil.test",
    "/\r\n/evil.test",
    "/%09/evil.test",
    "/%0d%0aLocation:%20https://evil.test",
    " https://evil.test",
    "javascript:alert(1)",
    "data:text/html,x",
    "@evil.test",
    "evil.test",
    "/。/evil.test",
];

pub(super) async fn attack(platform: &Platform, tally: &mut Tally) {
    let api = platform.report().urls.api;
    for way in ["/auth/github/login", "/auth/dev/login"] {
        for spelling in SPELLINGS {
            let browser = browser(platform);
            let mut url = Url::parse(&api).expect("a URL");
            url.set_path(way);
            url.query_pairs_mut().append_pair("return_to", spelling);
            let reply = browser.get(url.as_str()).await;
            let refused =
                reply.status == 400 && reply.code() == "BAD_USER_INPUT" && reply.json()["field"] == "return_to";
            let nothing = !reply.headers.contains_key("location") && !reply.headers.contains_key("set-cookie");
            tally.note(format!("{way} to {spelling:?}"), refused && nothing);
        }
    }
    // Whoever asks names a host; where GitHub sends people back to does not come from there.
    let browser = browser(platform);
    let request = browser.request(Method::GET, "/auth/github/login").header("host", "evil.test");
    let request = request.header("x-forwarded-host", "evil.test").header("forwarded", "host=evil.test");
    let reply = browser.send(request).await;
    let ours = Url::parse(&reply.location())
        .expect("a URL")
        .query_pairs()
        .any(|(name, value)| name == "redirect_uri" && value == format!("{api}/auth/github/callback"));
    tally.note("a way back taken from the Host header", ours && browser.cookie(SIGN_IN).is_some());
}
