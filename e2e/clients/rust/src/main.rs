//! A consumer that uses the AWS SDK for Rust, unmodified, controlled by lines on standard input. The protocol is
//! that of ../client-process.ts.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex};
use std::time::Instant;

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
    noted.set(None);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let started = Instant::now();
    let (status, code, message) = match op {
        "get" => match client.get_object().bucket(bucket).key(key).send().await {
            Ok(answer) => match answer.body.collect().await {
                Ok(_) => success(),
                Err(error) => (None, Some("Body".to_owned()), Some(error.to_string())),
            },
            Err(error) => failure(&error),
        },
        _ => {
            let body = ByteStream::from_static(b"written by a client\n");
            match client.put_object().bucket(bucket).key(key).body(body).send().await {
                Ok(_) => success(),
                Err(error) => failure(&error),
            }
        }
    };
    json!({
        "op": op,
        "key": path,
        "status": status,
        "code": code,
        "message": message,
        "accessKeyId": noted.get(),
        "ms": started.elapsed().as_millis() as u64,
    })
}

type Outcome = (Option<u16>, Option<String>, Option<String>);

fn success() -> Outcome {
    (Some(200), None, None)
}

fn failure<E: Error + ProvideErrorMetadata + 'static>(error: &SdkError<E>) -> Outcome {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.code().unwrap_or("SdkError").to_owned();
    (status, Some(code), Some(DisplayErrorContext(error).to_string()))
}

/// Notes the access key that signed the last request.
#[derive(Clone, Debug, Default)]
struct NoteAccessKey(Arc<Mutex<Option<String>>>);

impl NoteAccessKey {
    fn set(&self, value: Option<String>) {
        *self.0.lock().expect("no holder panics") = value;
    }

    fn get(&self) -> Option<String> {
        self.0.lock().expect("no holder panics").clone()
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
        let header = context.request().headers().get("authorization").unwrap_or_default();
        let key = header.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
        self.set(key.map(str::to_owned));
        Ok(())
    }
}
