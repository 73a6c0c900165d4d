//! A minimal HTTP/1.1 client. It shares the machine with the server that it measures, so it must be cheap:
//! a load generator such as `goose` or `rlt` sends requests through a complete HTTP stack, which costs as much as the
//! server.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest header block in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Longest body in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Renders a request, which can be sent any number of times.
pub fn render(method: &str, path: &str, token: Option<&str>, body: Option<&str>) -> Vec<u8> {
    render_bytes(method, path, token, body.map(|body| ("application/json", body.as_bytes())))
}

/// Renders a request with a body of any media type.
pub fn render_bytes(method: &str, path: &str, token: Option<&str>, body: Option<(&str, &[u8])>) -> Vec<u8> {
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let (content_headers, body) = match body {
        Some((media_type, body)) => (format!("content-type: {media_type}\r\ncontent-length: {}\r\n", body.len()), body),
        None => (String::new(), &[][..]),
    };
    let head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{token}{content_headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// Adds a header to a request.
pub fn with_header(request: &[u8], name: &str, value: &str) -> Vec<u8> {
    let line = request.windows(2).position(|window| window == b"\r\n").map_or(0, |end| end + 2);
    [&request[..line], format!("{name}: {value}\r\n").as_bytes(), &request[line..]].concat()
}

/// A keep-alive connection for one request at a time.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A response in the connection's buffer.
pub struct Response<'a> {
    pub status: u16,
    /// The status line and the headers.
    pub head: &'a [u8],
    pub body: &'a [u8],
}

impl Connection {
    /// Connects to a server.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024] })
    }

    /// Sends a request and reads the response. After an error the connection cannot be used.
    ///
    /// # Errors
    /// The network's error, and `InvalidData` for a response in an unsupported form. Supported are a status line,
    /// `content-length`, exactly that many bytes, and a connection that is kept alive.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Response<'_>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let head_length = loop {
            if filled >= MAX_HEAD {
                return Err(invalid("headers that are too long"));
            }
            // The end of the headers may begin in the bytes that were read before.
            let searched = filled.saturating_sub(3);
            filled += self.read(filled).await?;
            let unsearched = &self.buffer[searched..filled.min(MAX_HEAD)];
            if let Some(end) = unsearched.windows(4).position(|window| window == b"\r\n\r\n") {
                break searched + end + 4;
            }
        };
        let head = Head::parse(&self.buffer[..head_length])?;
        let total = head_length + head.content_length;
        if self.buffer.len() < total {
            self.buffer.resize(total, 0);
        }
        while filled < total {
            filled += self.read(filled).await?;
        }
        if filled > total {
            return Err(invalid("more bytes than content-length says"));
        }
        let (head_bytes, body) = self.buffer[..total].split_at(head_length);
        Ok(Response { status: head.status, head: head_bytes, body })
    }

    async fn read(&mut self, filled: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[filled..]).await? {
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection")),
            count => Ok(count),
        }
    }
}

impl Response<'_> {
    /// The value of a header, if it exists and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        headers(self.head).find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).and_then(|(_, value)| {
            let value = std::str::from_utf8(value).ok()?;
            Some(value.trim())
        })
    }
}

struct Head {
    status: u16,
    content_length: usize,
}

impl Head {
    fn parse(head: &[u8]) -> io::Result<Self> {
        let status = head
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| number(rest.get(..3)?))
            .and_then(|status| u16::try_from(status).ok())
            .ok_or_else(|| invalid("no HTTP/1.1 status line"))?;
        let mut content_length = None;
        for (name, value) in headers(head) {
            if name.eq_ignore_ascii_case(b"content-length") {
                content_length = number(value.trim_ascii()).filter(|length| *length <= MAX_BODY);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                return Err(invalid("a chunked response, which this client does not support"));
            } else if name.eq_ignore_ascii_case(b"connection") && value.trim_ascii().eq_ignore_ascii_case(b"close") {
                return Err(invalid("the server does not keep the connection"));
            }
        }
        let content_length = content_length.ok_or_else(|| invalid("no usable content-length"))?;
        Ok(Self { status, content_length })
    }
}

fn headers(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], &line[colon + 1..]))
    })
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Starts a server that sends these pieces to its first connection and then closes it.
    async fn serve_pieces(pieces: Vec<&'static [u8]>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert_ne!(stream.read(&mut request).await.unwrap(), 0);
            for piece in pieces {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        address
    }

    async fn exchange_error(response: &'static [u8]) -> String {
        let mut connection = Connection::open(serve_pieces(vec![response]).await).await.unwrap();
        connection.exchange(b"GET / HTTP/1.1\r\n\r\n").await.err().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_response_in_pieces_is_joined() {
        let address = serve_pieces(vec![
            b"HTTP/1.1 201 Created\r\nContent-",
            b"Length: 5\r\nETag:  \"1\"\r\n\r",
            b"\nhe",
            b"llo",
        ])
        .await;
        let mut connection = Connection::open(address).await.unwrap();
        let response = connection.exchange(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!((response.status, response.body), (201, b"hello".as_slice()));
        assert_eq!(response.header("etag"), Some("\"1\""));
        assert_eq!(response.header("link"), None);
    }

    #[tokio::test]
    async fn a_body_larger_than_the_buffer_is_read() {
        let body: &'static [u8] = vec![b'x'; 200_000].leak();
        let address = serve_pieces(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n", body]).await;
        let mut connection = Connection::open(address).await.unwrap();
        assert_eq!(connection.exchange(b"GET / HTTP/1.1\r\n\r\n").await.unwrap().body, body);
    }

    #[tokio::test]
    async fn unsupported_responses_are_rejected_with_a_reason() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "closed"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", "closed"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello", "more bytes"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "content-length"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "chunked"),
            (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", "keep"),
            (b"SSH-2.0-OpenSSH\r\n\r\n", "status line"),
        ];
        for (response, reason) in cases {
            let error = exchange_error(response).await;
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn requests_are_rendered_completely() {
        let request = String::from_utf8(render("POST", "/x", Some("t"), Some("{}"))).unwrap();
        assert!(request.starts_with("POST /x HTTP/1.1\r\n"));
        assert!(request.contains("authorization: Bearer t\r\n"));
        assert!(request.ends_with("content-length: 2\r\n\r\n{}"));
        let request = String::from_utf8(with_header(request.as_bytes(), "x-a", "b")).unwrap();
        assert!(request.starts_with("POST /x HTTP/1.1\r\nx-a: b\r\nhost:"), "{request}");
    }
}
