//! What the document guard costs, and that no text upsets it.

use std::time::{Duration, Instant};

use super::*;

/// The quickest of twenty runs, so that a busy machine does not fail the test.
fn price(query: &str) -> (Result<Admitted, ServerError>, Duration) {
    let limits = DocumentLimits::default();
    let run = || {
        let mut request = Request::new(query);
        let started = Instant::now();
        let verdict = admit(&mut request, &limits);
        (verdict, started.elapsed())
    };
    (0..20).map(|_| run()).min_by_key(|(_, took)| *took).expect("twenty runs")
}

#[test]
fn a_bomb_of_600_bytes_costs_less_than_a_millisecond_in_release() {
    let spreads =
        (0..16).map(|n| format!("fragment F{n} on Query{{...F{0}...F{0}...F{0}}}", n + 1)).collect::<Vec<_>>().concat();
    let bomb = format!("{{...F0}}{spreads}fragment F16 on Query{{a}}");
    assert!((600..700).contains(&bomb.len()), "{}", bomb.len());
    let (verdict, took) = price(&bomb);
    assert!(verdict.expect_err("3^16 selections").message.contains("written out"));
    let allowed = Duration::from_millis(if cfg!(debug_assertions) { 10 } else { 1 });
    eprintln!("bomb of {} bytes refused in {took:?}", bomb.len());
    assert!(took < allowed, "{took:?}");
}

#[test]
fn the_largest_texts_of_every_shape_cost_little() {
    let blanks = " ".repeat(32);
    let shapes = [
        ("comments", format!("{{ a }}{}", "\n#".repeat(32_000))),
        ("blanks", format!("{{ {} }}", format!("a{blanks}").repeat(1_900))),
        ("open selections", format!("{}{}", format!("{{a{blanks}").repeat(40), " ".repeat(60_000))),
        ("open lists", format!("{{ a(x: {}{}", format!("[{blanks}").repeat(38), " ".repeat(60_000))),
        ("open objects", format!("{{ a(x: {}", format!("{{y:{blanks}").repeat(38))),
        ("open inline fragments", format!("{{ a {}", format!("... @a {{ {blanks}").repeat(38))),
        ("one string", format!("{{ a(x: \"{}\") }}", "é".repeat(30_000))),
        ("list type", format!("query ($a: {}Int) {{ a }}", "[".repeat(39))),
        ("definitions", "query A { a } ".repeat(390)),
    ];
    for (shape, text) in shapes {
        let (_verdict, took) = price(&text);
        eprintln!("{shape}: {} bytes in {took:?}", text.len());
        assert!(took < Duration::from_millis(500), "{shape}: {took:?}");
    }
}

#[test]
fn a_text_cut_anywhere_is_judged_without_a_panic() {
    let text = "query A($x: Int = -1.5e+3) @a { é: b(c: \"d\\\"\\u00e9\", e: \"\"\"f\\\"\"\" \"\"\") ...G ... on H { i } # j\r\n } fragment G on H { ...G }";
    for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        for start in (0..end).filter(|start| text.is_char_boundary(*start)) {
            let _verdict = admit(&mut Request::new(&text[start..end]), &DocumentLimits::default());
        }
    }
}
