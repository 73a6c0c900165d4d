//! Measures secret tags: the server's cost of an unlock, the cost of sealing in bytes and speed, and whether response
//! times reveal if a secret tag exists.
//!
//! The clients do not stretch phrases, which would take a second of client time and no server time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sotto_crypto::client::{EntryText, ExportKey, Login, Metadata, Phrase, RecoveryKey, Registration, Vault};
use sotto_crypto::message::{LoginRequest, RegistrationRecord};
use sotto_crypto::server::{LoginSession, PendingLogin, SealingKey, ServerKeys};
use sotto_crypto::{Binding, Scope};
use sotto_domain::{Clock, EntryId, OpaqueSessionId, SecretTagId, UserId};
use sotto_server::system::{SystemClock, SystemRandom};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Result;
use crate::api::{self, SignedIn};
use crate::http::{Connection, render, with_header};
use crate::load::{self, Load, Outcome, Request, Shape, Workload};
use crate::process::Server;
use crate::random::Random;
use crate::scenarios::{PAGE, ROUNDS, Scenario};

/// How often each half of a login is computed. Together that takes seconds, because some kernels count processor time in
/// ticks of 10 ms.
const COMPUTATIONS: u32 = 10_000;
/// The most pairs of logins per user in the timing comparison. Each pair has a login for an unknown tag, which fails,
/// and after 200 failures the server would delay further ones.
const MAX_PAIRS: u64 = 150;

/// The quantile of the normal distribution for a 95 % confidence interval.
const Z_95: f64 = 1.96;

/// The figures of secret tags.
pub struct SecretTags {
    /// Duration of computing the first half of a login on one core.
    pub start: Duration,
    /// Duration of computing the second half.
    pub finish: Duration,
    /// Unlocks per second.
    pub unlocks: f64,
    /// The server's processor time per unlock.
    pub processor_time: Duration,
    /// The bytes in the columns of a sealed entry that exceed its title, text and tag names: the mean.
    pub overhead: f64,
    /// The maximum of this excess.
    pub overhead_max: f64,
    /// Lists of plain entries.
    pub plain: Outcome,
    /// Lists of sealed entries of the same users.
    pub sealed: Outcome,
    /// The difference between unknown and known secret tags.
    pub timing: Difference,
}

/// The difference of two durations.
pub struct Difference {
    /// The number of compared pairs.
    pairs: usize,
    /// The mean in microseconds.
    mean: f64,
    /// Half of the 95 % confidence interval of the mean in microseconds.
    margin: f64,
}

impl Difference {
    /// From the differences of pairs in microseconds, assuming a normal distribution.
    fn from_samples(differences: &[f64]) -> Self {
        let count = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / count;
        let variance = differences.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { pairs: differences.len(), mean, margin: Z_95 * (variance / count).sqrt() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pairs, mean, margin } = self;
        write!(f, "{mean:.1} µs ± {margin:.1} (95 %, {pairs} pairs)")
    }
}

/// Measures all figures with these users in parallel.
///
/// # Errors
/// If something cannot be measured.
pub async fn measure(server: &Server, authors: &[SignedIn], duration: Duration) -> Result<SecretTags> {
    let mut connection = Connection::open(server.address).await?;
    let mut secrets = vec![];
    for author in authors {
        secrets.push(Arc::new(Secret::create(&mut connection, author).await?));
    }
    let (start, finish) = measure_computation(COMPUTATIONS)?;
    let (unlocks, processor_time) = unlock_all(server, &secrets, duration).await?;

    let (mut requests, mut overheads) = (vec![], vec![]);
    for (secret, author) in secrets.iter().zip(authors) {
        let open = secret.unlock(&mut connection).await?;
        for n in 0..u64::from(PAGE) {
            overheads.push(open.write(&mut connection, secret, author, n).await? as f64);
        }
        let path = format!("/api/journals/?secret_tag_id={}&limit={PAGE}", secret.scope.tag);
        let bytes = with_header(&render("GET", &path, Some(&secret.token), None), "x-sotto-unlock", &open.token);
        requests.push(Request { bytes, status: 200, shape: Shape::Entries(PAGE as usize) });
    }
    let workloads = [Scenario::List.workload(authors), Workload(vec![(1, requests)])].map(Arc::new);
    let mut outcomes = [Outcome::default(), Outcome::default()];
    let load = Load { clients: authors.len(), warm_up: duration / 8, duration: duration / ROUNDS };
    for _ in 0..ROUNDS {
        for (workload, outcome) in workloads.iter().zip(&mut outcomes) {
            outcome.add(load::run(server.address, workload, load).await?);
        }
    }
    let [plain, sealed] = outcomes;
    // A pair takes some milliseconds per user, so this takes about as long as the other measurements.
    let pairs = (25 * duration.as_secs()).clamp(25, MAX_PAIRS);
    let timing = compare_timing(&mut connection, &secrets, pairs).await?;
    let overhead = overheads.iter().sum::<f64>() / overheads.len() as f64;
    let overhead_max = overheads.into_iter().fold(0.0, f64::max);
    Ok(SecretTags { start, finish, unlocks, processor_time, overhead, overhead_max, plain, sealed, timing })
}

/// A user's secret tag.
struct Secret {
    token: String,
    scope: Scope,
    path: String,
}

/// An unlocked secret tag.
struct UnlockedTag {
    token: String,
    vault: Vault,
}

/// A login after its first half.
struct StartedLogin {
    session: Value,
    login: Login,
    response: String,
}

impl Secret {
    async fn create(connection: &mut Connection, author: &SignedIn) -> Result<Self> {
        let scope = Scope { user: UserId(author.author.id()), tag: SecretTagId::new(&SystemClock, &SystemRandom) };
        let (request, registration) = Registration::start(Binding::unstretched(scope), phrase()?, &SystemRandom)?;
        let token = author.token.clone();
        let body = json!({"tag_id": scope.tag, "registration_request": request.to_string()});
        let started = api::post(connection, "/api/secret-tags/register/start", Some(&token), &body, 200).await?;
        let registered = registration.finish(&text(&started, "registration_response")?.parse()?, &SystemRandom)?;
        let (vault, key) = (Vault::create(scope, &SystemRandom)?, RecoveryKey::generate(&SystemRandom));
        let metadata = vault.seal_metadata(&Metadata { name: "Bench".into(), color: None }, &SystemRandom)?;
        let body = json!({
            "tag_id": scope.tag,
            "registration_record": registered.record.to_string(),
            "server_keys": started["server_keys"],
            "wrapped_master_key": vault.wrap(&registered.export_key, &SystemRandom)?.to_string(),
            "metadata": URL_SAFE_NO_PAD.encode(metadata.as_bytes()),
            "recovery_wrap": vault.wrap_for_recovery(&key, &SystemRandom)?.to_string(),
            "recovery_verifier": key.proof()?.verifier().to_string(),
        });
        api::post(connection, "/api/secret-tags/register/finish", Some(&token), &body, 201).await?;
        Ok(Self { token, scope, path: format!("/api/secret-tags/{}/unlock", scope.tag) })
    }

    /// Sends the first half of a login for `tag`, which may not exist. Returns the response time as well.
    async fn start(&self, connection: &mut Connection, tag: SecretTagId) -> Result<(StartedLogin, Duration)> {
        let scope = Scope { tag, ..self.scope };
        let (request, login) = Login::start(Binding::unstretched(scope), phrase()?, &SystemRandom)?;
        let path = format!("/api/secret-tags/{tag}/unlock/start");
        let body = json!({"login_request": request.to_string()}).to_string();
        let request = render("POST", &path, Some(&self.token), Some(&body));
        let began = Instant::now();
        let started = api::send(connection, &path, &request, 200).await?;
        let elapsed = began.elapsed();
        let response = text(&started, "login_response")?.to_owned();
        Ok((StartedLogin { session: started["session_id"].clone(), login, response }, elapsed))
    }

    async fn finish(&self, connection: &mut Connection, started: StartedLogin) -> Result<(Value, ExportKey)> {
        let logged_in = started.login.finish(&started.response.parse()?, &SystemRandom)?;
        let body = json!({"session_id": started.session, "login_finish": logged_in.finish.to_string()});
        let path = format!("{}/finish", self.path);
        let response = api::post(connection, &path, Some(&self.token), &body, 200).await?;
        Ok((response, logged_in.export_key))
    }

    async fn unlock(&self, connection: &mut Connection) -> Result<UnlockedTag> {
        let (started, _) = self.start(connection, self.scope.tag).await?;
        let (response, export_key) = self.finish(connection, started).await?;
        let wrapped = text(&response, "wrapped_master_key")?.parse()?;
        let vault = Vault::unlock(self.scope, &export_key, &wrapped)?;
        Ok(UnlockedTag { token: text(&response, "unlock_token")?.to_owned(), vault })
    }
}

impl UnlockedTag {
    /// Creates entry number `n`, and returns the bytes that it needs beyond its text.
    async fn write(&self, connection: &mut Connection, secret: &Secret, author: &SignedIn, n: u64) -> Result<usize> {
        let tags = author.author.tag_names(n).map(str::to_owned).to_vec();
        let written = EntryText {
            title: author.author.entry(n).body.title,
            content: author.author.text(n),
            tags,
            audio_key: None,
            former_audio_key: None,
        };
        let id = EntryId::new(&SystemClock, &SystemRandom);
        let sealed = self.vault.seal_entry(id, 1, &written, &SystemRandom)?;
        let body = json!({
            "id": id,
            "entry_date": "2026-01-22T20:00:00Z",
            "secret_tag_id": secret.scope.tag,
            "encrypted_content": URL_SAFE_NO_PAD.encode(&sealed.encrypted_content),
            "encryption_iv": URL_SAFE_NO_PAD.encode(sealed.encryption_iv),
            "wrapped_key": URL_SAFE_NO_PAD.encode(sealed.wrapped_key),
            "wrap_iv": URL_SAFE_NO_PAD.encode(sealed.wrap_iv),
        });
        let path = "/api/journals/";
        let request = render("POST", path, Some(&secret.token), Some(&body.to_string()));
        api::send(connection, path, &with_header(&request, "x-sotto-unlock", &self.token), 201).await?;
        let plain = written.title.as_deref().map_or(0, str::len)
            + written.content.len()
            + written.tags.iter().map(String::len).sum::<usize>();
        let columns = sealed.encrypted_content.len()
            + sealed.encryption_iv.len()
            + sealed.wrapped_key.len()
            + sealed.wrap_iv.len();
        Ok(columns - plain)
    }
}

/// Processor time of the server's computations in each half, on one core without HTTP and storage.
fn measure_computation(times: u32) -> Result<(Duration, Duration)> {
    let (keys, sealing) = (ServerKeys::generate(&SystemRandom), SealingKey::generate(&SystemRandom));
    let scope = Scope { user: UserId(Uuid::from_u128(1)), tag: SecretTagId(Uuid::from_u128(2)) };
    let (request, registration) = Registration::start(Binding::unstretched(scope), phrase()?, &SystemRandom)?;
    let record = registration.finish(&keys.register(scope, &request)?, &SystemRandom)?.record.to_bytes();
    let now = SystemClock.now();
    let session = LoginSession { id: OpaqueSessionId(Uuid::from_u128(3)), scope, expires_at: now.plus_seconds(60) };
    let (mut logins, mut requests) = (vec![], vec![]);
    for _ in 0..times {
        let (request, login) = Login::start(Binding::unstretched(scope), phrase()?, &SystemRandom)?;
        logins.push(login);
        requests.push(request.to_string());
    }
    let began = load::processor_time()?;
    let mut responses = vec![];
    for request in requests {
        let request: LoginRequest = request.parse()?;
        let record = RegistrationRecord::from_bytes(&record)?;
        let (response, pending) = keys.start_login(scope, Some(&record), &request, &SystemRandom)?;
        responses.push((response.to_string(), pending.seal(&sealing, &session, &SystemRandom)?));
    }
    let start = load::processor_time()?.saturating_sub(began);
    let mut proofs = vec![];
    for (login, (response, sealed)) in logins.into_iter().zip(responses) {
        proofs.push((login.finish(&response.parse()?, &SystemRandom)?.finish.to_string(), sealed));
    }
    let began = load::processor_time()?;
    for (proof, sealed) in proofs {
        PendingLogin::open(&sealing, &session, &sealed, now)?.finish(&proof.parse()?)?;
    }
    let finish = load::processor_time()?.saturating_sub(began);
    Ok((start / times, finish / times))
}

/// All users unlock their secret tags repeatedly. Returns the unlocks per second, and the server's processor time per
/// unlock.
async fn unlock_all(server: &Server, secrets: &[Arc<Secret>], duration: Duration) -> Result<(f64, Duration)> {
    let mut users = JoinSet::new();
    let (began, processor_time_before) = (Instant::now(), server.processor_time()?);
    for secret in secrets {
        let (secret, address) = (Arc::clone(secret), server.address);
        users.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut count = 0_u32;
            while began.elapsed() < duration {
                secret.unlock(&mut connection).await?;
                count += 1;
            }
            Result::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(user) = users.join_next().await {
        count += user??;
    }
    let elapsed = began.elapsed();
    let processor_time = server.processor_time()?.saturating_sub(processor_time_before);
    Ok((f64::from(count) / elapsed.as_secs_f64(), processor_time / count.max(1)))
}

/// Compares logins for unknown and known secret tags in pairs, in random order.
async fn compare_timing(connection: &mut Connection, secrets: &[Arc<Secret>], pairs: u64) -> Result<Difference> {
    let mut random = Random::from_seed(&[7]);
    let mut differences = vec![];
    for secret in secrets {
        for _ in 0..pairs {
            let mut times = [Duration::ZERO; 2];
            let unknown_first = random.below(2);
            // Index 0 is the known tag, 1 the unknown one.
            for side in [unknown_first, 1 - unknown_first] {
                let unknown = SecretTagId::new(&SystemClock, &SystemRandom);
                let tag = if side == 0 { secret.scope.tag } else { unknown };
                let (started, elapsed) = secret.start(connection, tag).await?;
                times[side] = elapsed;
                if side == 0 {
                    secret.finish(connection, started).await?;
                }
            }
            let [known, unknown] = times.map(|time| time.as_secs_f64() * 1e6);
            differences.push(unknown - known);
        }
    }
    Ok(Difference::from_samples(&differences))
}

fn phrase() -> Result<Phrase> {
    Ok(Phrase::new("a long walk by the lake")?)
}

fn text<'v>(response: &'v Value, name: &str) -> Result<&'v str> {
    response[name].as_str().ok_or_else(|| format!("a response without {name}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_a_confidence_interval() {
        let same = Difference::from_samples(&[-3.0, 3.0, -3.0, 3.0]);
        assert!(same.mean.abs() < 1e-9 && (same.margin - Z_95 * 3.0_f64.sqrt()).abs() < 1e-9, "{same}");
        let longer = Difference::from_samples(&[10.0; 4]);
        assert_eq!(longer.to_string(), "10.0 µs ± 0.0 (95 %, 4 pairs)");
    }

    #[test]
    fn both_halves_of_a_login_are_computed() {
        let (start, finish) = measure_computation(200).unwrap();
        assert!(start > finish);
    }
}
