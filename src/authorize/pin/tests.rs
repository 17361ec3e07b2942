use super::*;

const PUSHED: &str = "client_id=app&response_type=code&redirect_uri=https%3A%2F%2Fc%2Fcb\
&scope=openid%20profile%20email&state=st&nonce=no&code_challenge=ch&prompt=login&allow=Authorize\
&claims=%7B%22a%22%3A%20%5B1%2C2%5D%7D&login_hint=al";

fn rules(reach: Reach) -> Rules {
    Rules {
        beside: vec!["g_continue".into()],
        never_echoed: vec!["login_hint".into()],
        vocabulary: Vocabulary::default(),
        reach,
    }
}

fn query(given: &str, emitter: Emitter) -> Option<String> {
    let rules = rules(Reach::Request);
    let pin = Pin::new(PUSHED, &rules).unwrap();
    pin.query(&Parameters::parse(given.as_bytes()).unwrap(), emitter)
}

/// What the upstream would read of a form.
fn form(given: &str) -> Option<Vec<(String, String)>> {
    let rules = rules(Reach::Request);
    // Of the names outside the vocabulary, `allow` is the first.
    let shown = Shown { page: true, fields: 1 };
    let pin = Pin::new(PUSHED, &rules).unwrap().with_pages(shown);
    let given = Parameters::parse(given.as_bytes()).unwrap();
    let owned = |pairs: Vec<Pair<'_>>| {
        pairs.into_iter().map(|(n, v)| (n.into_owned(), v.into_owned())).collect()
    };
    pin.form(&given).map(owned)
}

fn read(text: &str, name: &str) -> Option<String> {
    Parameters::parse(text.as_bytes()).unwrap().value(name).map(str::to_owned)
}

#[test]
fn the_pushed_query_is_left_in_peace_in_any_spelling() {
    assert_eq!(query(PUSHED, Emitter::Upstream), None);
    assert_eq!(query(PUSHED, Emitter::Browser), None);
    let respelled = PUSHED.replace("%3A%2F%2Fc%2F", "://c/").replace("%20", "+");
    assert_eq!(query(&respelled, Emitter::Upstream), None);
}

#[test]
fn what_the_upstream_drops_or_adds_in_answer_to_us_stays_so() {
    let word = PUSHED.replace("&prompt=login", "&suppressed_prompt=login");
    assert_eq!(query(&word, Emitter::Upstream), None);
    let pinned = query(&format!("{word}&request=eyJ"), Emitter::Upstream).unwrap();
    assert_eq!(read(&pinned, "request"), None);
    assert_eq!(read(&pinned, "suppressed_prompt").as_deref(), Some("login"));
    let changed = query(&word.replace("nonce=no", "nonce=evil"), Emitter::Upstream).unwrap();
    assert_eq!(read(&changed, "nonce").as_deref(), Some("no"));
}

#[test]
fn what_the_browser_changes_drops_or_adds_is_set_back() {
    for (from, to, name, expected) in [
        ("nonce=no", "nonce=evil", "nonce", "no"),
        ("&nonce=no", "", "nonce", "no"),
        ("&code_challenge=ch", "", "code_challenge", "ch"),
        ("scope=openid%20profile", "scope=admin", "scope", "openid profile email"),
        ("profile%20email", "profile", "scope", "openid profile email"),
        ("state=st", "state=st&state=x", "state", "st"),
        ("allow=Authorize", "allow=x", "allow", "Authorize"),
    ] {
        let pinned = query(&PUSHED.replace(from, to), Emitter::Browser).unwrap();
        assert_eq!(read(&pinned, name).as_deref(), Some(expected), "{to}");
        assert_eq!(Parameters::parse(pinned.as_bytes()).unwrap().repeated(), None);
    }
    for added in ["request=eyJ", "request_uri=https://x", "acr_values=low", "x=1", "Nonce=evil"] {
        let pinned = query(&format!("{PUSHED}&{added}"), Emitter::Browser).unwrap();
        let name = added.split('=').next().unwrap();
        assert_eq!(read(&pinned, name), None, "{added}");
    }
    assert_eq!(query(&format!("{PUSHED}&g_continue"), Emitter::Browser), None);
    assert_eq!(query(&PUSHED.replace("&prompt=login", ""), Emitter::Browser), None);
}

#[test]
fn a_login_form_passes_untouched() {
    assert_eq!(form("username=alice&password=wonderland&csrf=x&csrf=y"), None);
}

#[test]
fn a_consent_form_gets_its_values_back_and_nothing_of_the_clients_making() {
    let honest = "client_id=app&response_type=code&redirect_uri=https%3A%2F%2Fc%2Fcb&scope=openid\
&state=st&nonce=no&code_challenge=ch&claims=%7B%22a%22%3A%5B1%2C2%5D%7D&allow=Deny&csrf=t&resource=";
    assert_eq!(form(honest), None);
    let pairs = form("client_id=app&scope=openid+admin&state=evil&csrf=t&request=eyJ&dpop_jkt=x");
    let pairs = pairs.unwrap();
    let value = |name: &str| {
        let mut found = pairs.iter().filter(|(known, _)| known == name).map(|(_, v)| v.as_str());
        let first = found.next();
        assert_eq!(found.next(), None, "{name} stands twice");
        first
    };
    assert_eq!(value("scope"), Some("openid profile email"));
    assert_eq!(value("state"), Some("st"));
    assert_eq!(value("nonce"), Some("no"));
    assert_eq!(value("redirect_uri"), Some("https://c/cb"));
    assert_eq!(value("csrf"), Some("t"));
    for absent in ["request", "dpop_jkt", "allow", "prompt", "login_hint"] {
        assert_eq!(value(absent), None, "{absent}");
    }
}

#[test]
fn b256_scopes_listed_one_by_one_are_a_list() {
    let listed = |scopes: &str| {
        form(&format!(
            "client_id=app&response_type=code&redirect_uri=https://c/cb&state=st&nonce=no&code_challenge=ch&claims=%7B%22a%22:[1,2]%7D&{scopes}"
        ))
    };
    assert_eq!(listed("scope[]=openid&scope[]=email"), None);
    assert_eq!(listed("scopes[0]=openid&scopes[1]=profile"), None);
    for added in ["scope[]=admin", "scope[1]=openid admin", "scopes=admin"] {
        let pairs = listed(&format!("scope[]=openid&{added}")).unwrap();
        let lists: Vec<_> = pairs.iter().filter(|(name, _)| name.starts_with("scope")).collect();
        assert_eq!(lists, [&("scope[]".to_owned(), "openid".to_owned())], "{added}");
    }
}

#[test]
fn b264_b297_a_pushed_name_wins_unless_a_page_has_it_as_a_field() {
    let rules = rules(Reach::Request);
    let form = |fields: u16, given: &str| {
        let shown = Shown { page: true, fields };
        let pin = Pin::new("client_id=app&audience=api&allow=Yes", &rules).unwrap();
        let pin = pin.with_pages(shown);
        let given = Parameters::parse(given.as_bytes()).unwrap();
        let pairs = pin.form(&given).unwrap_or_else(|| {
            given.iter().map(|(name, value)| (name.into(), value.into())).collect()
        });
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    };
    assert_eq!(form(0, "audience=evil&allow=No&x=1"), "audience=api&allow=Yes&x=1");
    assert_eq!(form(0b10, "audience=evil&allow=No"), "audience=api&allow=No");
    assert_eq!(form(0b01, "audience=mine&allow=No"), "audience=mine&allow=Yes");
    assert_eq!(form(0, "x=1"), "x=1", "nothing of the client's making is added");
    let pin = Pin::new("client_id=app&audience=api", &rules).unwrap();
    let given = Parameters::parse(b"audience=evil&kc_action=delete_account&scope=x&client_id=b");
    let given = given.unwrap();
    let kept: Vec<_> =
        pin.form_as_query(&given).into_iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(kept, ["audience=api", "client_id=app"]);
}

#[test]
fn b264_further_parameters_of_the_server_are_pinned_like_registered_ones() {
    let vocabulary = Vocabulary::with(&["audience".into(), "connection".into()]);
    let rules = Rules { vocabulary, ..rules(Reach::Request) };
    let pin = Pin::new("client_id=app&audience=api", &rules).unwrap();
    let given = Parameters::parse(b"client_id=app&audience=evil&connection=ldap&x=1").unwrap();
    let pinned = pin.form(&given).unwrap();
    let pinned: Vec<_> = pinned.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(pinned, ["client_id=app", "audience=api", "x=1"]);
    let missing = Parameters::parse(b"client_id=app").unwrap();
    assert_eq!(pin.form(&missing).unwrap().len(), 2);
    for name in ["Audience", "audience[]", "audience ", "connection\0"] {
        let given = Parameters::from_pairs(vec![(name.into(), "x".into())]);
        assert!(
            rules.is_imitated_in_form(&given) && rules.is_imitated_in_query(&given),
            "{name:?}"
        );
    }
}

#[test]
fn repeated_resources_are_one_parameter() {
    let pushed = "client_id=a&resource=https%3A%2F%2Fx&resource=https%3A%2F%2Fy";
    let rules = rules(Reach::Request);
    let pin = Pin::new(pushed, &rules).unwrap();
    let given = |text: &'static str| Parameters::parse(text.as_bytes()).unwrap();
    assert_eq!(
        pin.query(&given("client_id=a&resource=https://x&resource=https://y"), Emitter::Browser),
        None
    );
    for tampered in [
        "client_id=a&resource=https://evil",
        "client_id=a&resource=https://x&resource=https://z",
        "client_id=a",
    ] {
        let pinned = pin.query(&given(tampered), Emitter::Browser).unwrap();
        assert_eq!(pinned, pushed, "{tampered}");
    }
}

#[test]
fn a_pages_own_query_smuggles_nothing_in() {
    assert_eq!(query("lang=de", Emitter::Browser), None);
    assert_eq!(
        query("lang=de&scope=admin&acr_values=low", Emitter::Browser).as_deref(),
        Some("lang=de&scope=openid%20profile%20email")
    );
}

#[test]
fn all_resources_in_one_field_stay_there() {
    let rules = rules(Reach::Request);
    let pin = Pin::new("client_id=a&resource=https%3A%2F%2Fx&resource=https%3A%2F%2Fy", &rules);
    let pin = pin.unwrap();
    let form = |text: &str| {
        let given = Parameters::parse(text.as_bytes()).unwrap();
        let values =
            |pairs: Vec<Pair<'_>>| pairs.iter().map(|(_, value)| value.to_string()).collect();
        pin.form(&given).map(values)
    };
    assert_eq!(form("client_id=a&resource=https%3A%2F%2Fx+https%3A%2F%2Fy"), None::<Vec<_>>);
    let set_back = form("client_id=a&resource=https%3A%2F%2Fx+https%3A%2F%2Fevil").unwrap();
    assert_eq!(set_back, ["a", "https://x", "https://y"]);
}
