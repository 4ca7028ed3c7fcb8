//! A consumer that uses the AWS SDK for Rust, unmodified, controlled by lines on standard input. The protocol is
//! that of ../client-process.ts.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, process};

use aws_config::BehaviorVersion;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::Client;
use serde_json::{json, Value};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let noted = NoteAccessKey::default();
    let loaded = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let config = aws_sdk_s3::config::Builder::from(&loaded)
        .force_path_style(true)
        .interceptor(noted.clone())
        .build();
    let client = Client::from_conf(config);
    write_line(&json!({
        "op": "start",
        "sdk": "rust",
        "version": aws_sdk_s3::meta::PKG_VERSION,
        "runtime": "Rust",
    }))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line == "quit" {
            break;
        }
        let (op, path) = line.split_once(' ').unwrap_or((&line, ""));
        write_line(&perform(&client, &noted, op, path).await)?;
    }
    Ok(())
}

fn write_line(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}

async fn perform(client: &Client, noted: &NoteAccessKey, op: &str, path: &str) -> Value {
    noted.reset();
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let started = Instant::now();
    let result = match op {
        "get" => read(client, bucket, key).await.map(|_| ()),
        "roundtrip" => read_back(client, bucket, key).await,
        _ => write(client, bucket, key, ByteStream::from_static(b"written by a client\n")).await,
    };
    let (status, code, message) = result.map_or_else(|failure| failure, |()| (Some(200), None, None));
    json!({
        "op": op,
        "key": path,
        "status": status,
        "code": code,
        "message": message,
        "accessKeyId": noted.get(),
        "isChunked": noted.is_chunked(),
        "ms": started.elapsed().as_millis() as u64,
    })
}

type Outcome = (Option<u16>, Option<String>, Option<String>);

async fn read(client: &Client, bucket: &str, key: &str) -> Result<Vec<u8>, Outcome> {
    let request = client.get_object().bucket(bucket).key(key);
    let answer = request.send().await.map_err(|error| failure(&error))?;
    let body = answer.body.collect().await.map_err(|error| own_failure("Body", error.to_string()))?;
    Ok(body.to_vec())
}

async fn write(client: &Client, bucket: &str, key: &str, body: ByteStream) -> Result<(), Outcome> {
    let request = client.put_object().bucket(bucket).key(key).body(body);
    request.send().await.map(|_| ()).map_err(|error| failure(&error))
}

/// Writes an object of changing bytes from a file, which the SDK sends in chunks, and expects to read the same.
async fn read_back(client: &Client, bucket: &str, path: &str) -> Result<(), Outcome> {
    let (key, size) = path.split_once(' ').unwrap_or((path, ""));
    let length = size.parse().map_err(|_| own_failure("Usage", format!("expected a size, got {size}")))?;
    let body = changing_bytes(length);
    let file = env::temp_dir().join(format!("valetkey-rust-client-{}", process::id()));
    fs::write(&file, &body).map_err(|error| own_failure("File", error.to_string()))?;
    let stream = ByteStream::from_path(&file).await;
    let stream = stream.map_err(|error| own_failure("File", error.to_string()))?;
    let written = write(client, bucket, key, stream).await;
    fs::remove_file(&file).map_err(|error| own_failure("File", error.to_string()))?;
    written?;
    if read(client, bucket, key).await? != body {
        return Err(own_failure("Different", format!("expected the {length} bytes that were written")));
    }
    Ok(())
}

/// A xorshift generator that starts at the time of day.
fn changing_bytes(length: usize) -> Vec<u8> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut state = since.as_nanos() as u64 | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

fn own_failure(code: &str, message: String) -> Outcome {
    (None, Some(code.to_owned()), Some(message))
}

fn failure<E: Error + ProvideErrorMetadata + 'static>(error: &SdkError<E>) -> Outcome {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.code().unwrap_or("SdkError").to_owned();
    (status, Some(code), Some(DisplayErrorContext(error).to_string()))
}

/// Notes the access key that signed the last request, and whether a body was sent in chunks (aws-chunked).
#[derive(Clone, Debug, Default)]
struct NoteAccessKey(Arc<Mutex<(Option<String>, bool)>>);

impl NoteAccessKey {
    fn reset(&self) {
        *self.0.lock().expect("no holder panics") = (None, false);
    }

    fn note(&self, access_key: Option<String>, is_chunked: bool) {
        let mut noted = self.0.lock().expect("no holder panics");
        *noted = (access_key, noted.1 || is_chunked);
    }

    fn get(&self) -> Option<String> {
        self.0.lock().expect("no holder panics").0.clone()
    }

    fn is_chunked(&self) -> bool {
        self.0.lock().expect("no holder panics").1
    }
}

impl Intercept for NoteAccessKey {
    fn name(&self) -> &'static str {
        "NoteAccessKey"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_s3::error::BoxError> {
        let headers = context.request().headers();
        let header = headers.get("authorization").unwrap_or_default();
        let key = header.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
        let payload = headers.get("x-amz-content-sha256").unwrap_or_default();
        self.note(key.map(str::to_owned), payload.starts_with("STREAMING-"));
        Ok(())
    }
}
