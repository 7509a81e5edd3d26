//! Web pages of other origins at the counter service: a browser asks first, by OPTIONS, and judges by the answer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use moq_mls::counter::http::WebPolicy;
use moq_mls_live::counter::http::Server;
use moq_mls_live::counter::memory::Memory;
use moq_mls_live::counter::{Service, generate_key};

const APP: &str = "https://app.example";

/// The head of the answer, in lower case.
fn asked(server: &Server, head: &str) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(stream, "{head}\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split("\r\n\r\n").next().unwrap().to_ascii_lowercase()
}

async fn serve(origins: &[&str]) -> anyhow::Result<Server> {
    let mut web = WebPolicy::default();
    web.origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    let service = Service::new(Arc::new(Memory::default()), generate_key()?, None).with_web(web);
    Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Arc::new(service), None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_pages_learn_that_they_may_ask_and_others_do_not() {
    let server = serve(&["https://App.example"]).await.unwrap();
    let preflight = |origin: &str| {
        let wants = "access-control-request-method: POST\r\naccess-control-request-headers: authorization,content-type";
        asked(&server, &format!("OPTIONS /increment/room HTTP/1.1\r\norigin: {origin}\r\n{wants}"))
    };
    tokio::task::block_in_place(|| {
        let allowed = preflight(APP);
        assert!(allowed.starts_with("http/1.1 200"), "{allowed}");
        for line in [
            "access-control-allow-origin: https://app.example",
            "access-control-allow-methods: get,post",
            "access-control-allow-headers: authorization,content-type",
        ] {
            assert!(allowed.contains(line), "{line} is not in {allowed}");
        }
        assert!(!allowed.contains("access-control-allow-credentials"), "{allowed}");
        assert!(!preflight("https://evil.example").contains("access-control-allow-origin"));

        let get =
            |origin: &str| asked(&server, &format!("GET /lock/room?val=0 HTTP/1.1\r\norigin: {origin}"));
        let answer = get(APP);
        assert!(answer.starts_with("http/1.1 200"), "{answer}");
        for line in ["access-control-allow-origin: https://app.example", "vary: origin", "retry-after"] {
            assert!(answer.contains(line), "{line} is not in {answer}");
        }
        let refused = get("https://evil.example");
        assert!(refused.starts_with("http/1.1 403") && !refused.contains("allow-origin"), "{refused}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_no_page_learns_anything() {
    let server = serve(&[]).await.unwrap();
    tokio::task::block_in_place(|| {
        let answer = asked(&server, "OPTIONS /increment/room HTTP/1.1\r\norigin: https://app.example");
        assert!(!answer.contains("access-control"), "{answer}");
    });
    for wrong in ["https://app.example\n", "*", "app.example"] {
        let error = serve(&[wrong]).await.err().unwrap();
        assert!(error.to_string().contains("is no origin"), "{error}");
    }
}
