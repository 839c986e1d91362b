//! What is hidden, and what is not: one table for all kinds of text.

use super::*;

/// A kind of text, a text of it, and what is shown of it.
type Row = (Kind, &'static str, &'static str);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Url,
    Query,
    Path,
    Endpoint,
    Message,
    /// `name: value`
    Header,
    /// `name=value`
    Attribute,
    /// Words with `|` between them.
    Arguments,
}
use Kind::*;

fn shown(kind: Kind, text: &str) -> String {
    match kind {
        Url => url(text).into_owned(),
        Query => query(text).into_owned(),
        Path => url_path(text).into_owned(),
        Endpoint => endpoint(text).into_owned(),
        Message => message(text).into_owned(),
        Header => {
            let (name, value) = text.split_once(": ").unwrap();
            format!("{name}: {}", header(name, value))
        }
        Attribute => {
            let (name, value) = text.split_once('=').unwrap();
            let shown = if is_secret_attribute(name) { REDACTED.into() } else { message(value) };
            format!("{name}={shown}")
        }
        Arguments => {
            let words: Vec<String> = text.split('|').map(str::to_owned).collect();
            arguments(&words).join("|")
        }
    }
}

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2_-hunter2";

#[rustfmt::skip] // A row a line.
const TABLE: &[Row] = &[
    // Credentials of URLs, encoded or not
    (Url, "https://user:hunter2@host:8443/p", "https://REDACTED:REDACTED@host:8443/p"),
    (Url, "https://user@host", "https://REDACTED:REDACTED@host"),
    (Url, "https://:hunter2@host", "https://REDACTED:REDACTED@host"),
    (Url, "https://u:hunter2@hunter2@host/x@y", "https://REDACTED:REDACTED@host/x@y"),
    (Url, "https://u:hun#ter2@host/p", "https://REDACTED:REDACTED@host/p"),
    (Url, "https://u:#hunter2@host/p", "https://REDACTED:REDACTED@host/p"),
    (Url, "https://u:1#hunter2@host/p", "https://REDACTED:REDACTED@host/p"),
    (Url, "https://u:hunt?er2@host/p", "https://REDACTED:REDACTED@host/p"),
    (Url, "https://u:1?hunter2@host/p", "https://REDACTED:REDACTED@host/p"),
    (Url, "http://db:8123/?database=shop&query=SELECT+*+FROM+users+WHERE+name+%3D+%27hunter2%27", "http://db:8123/?database=shop&query=REDACTED"),
    (Url, "http://db/?query=SELECT 'hunter2;hunter2?hunter2#hunter2'&user=ada", "http://db/?query=REDACTED&user=ada"),
    (Url, "http://db/?query=SELECT 'hunter2;hunter2'", "http://db/?query=REDACTED"),
    (Url, "http://db/?query=%2F%2A+users+%2A%2F+SELECT+%27hunter2%27", "http://db/?query=REDACTED"),
    (Url, "http://db/?query=%28explain%20select%20%27hunter2%27)", "http://db/?query=REDACTED"),
    (Url, "http://db/?statement=my+words+hunter2&$1=hunter2&args=[hunter2]&scan=1", "http://db/?statement=REDACTED&$1=REDACTED&args=REDACTED&scan=1"),
    (Url, "http://h/?args=1&next=http%3A%2F%2Fdb%2F%3Fquery%3DSELECT%2Bhunter2", "http://h/?args=1&next=http%3A%2F%2Fdb%2F%3Fquery%3DREDACTED"),
    (Url, "http://db/?database=shop&param_name=hunter2&params=2", "http://db/?database=shop&param_name=REDACTED&params=2"),
    (Url, "http://db:8086/query?db=shop&q=select%20%22hunter2%22%20from%20users", "http://db:8086/query?db=shop&q=REDACTED"),
    (Url, "https://shop.test/search?q=selected+shoes&query=select", "https://shop.test/search?q=selected+shoes&query=select"),
    (Url, "https://u:hun/ter2@host/p", "https://REDACTED:REDACTED@host/p"),
    (Url, "https://u:/hunter2@host/p?a=b@c", "https://REDACTED:REDACTED@host/p?a=b@c"),
    (Url, "https://u:hunter2 hunter2@host/p", "https://REDACTED:REDACTED@host/p"),
    (Url, "https://u:hunter\"2'@host/p", "https://REDACTED:REDACTED@host/p"),
    (Url, "https://u:hunter2%40@host/p", "https://REDACTED:REDACTED@host/p"),
    (Url, "postgres://u:12/hunter2@host/db", "postgres://REDACTED:REDACTED@host/db"),
    (Url, "postgres://u:hunter2@host/db?sslmode=on&password=hunter2", "postgres://REDACTED:REDACTED@host/db?sslmode=on&password=REDACTED"),
    (Url, "redis://:hunter2@[::1]:6379/0", "redis://REDACTED:REDACTED@[::1]:6379/0"),
    (Url, "mysql://u:hunter2@tcp(h:3306)/db", "mysql://REDACTED:REDACTED@tcp(h:3306)/db"),
    (Url, "https://host/x@y?m=a@b", "https://host/x@y?m=a@b"),
    (Url, "http://localhost:3000/@ada", "http://localhost:3000/@ada"),
    (Url, "http://localhost:3000/users/ada@example.com", "http://localhost:3000/users/ada@example.com"),
    (Url, "http://localhost:3000?mail=ada@example.com", "http://localhost:3000?mail=ada@example.com"),
    (Url, "http://[::1]:80/a@b", "http://[::1]:80/a@b"),
    (Url, "postgres://host:5432/db", "postgres://host:5432/db"),
    (Url, "not a url", "not a url"),
    (Url, "", ""),
    // Parameters
    (Url, "http://a/b?c=d&page=2#top", "http://a/b?c=d&page=2#top"),
    (Url, "http://h/?a=1&sig=hunter2#f", "http://h/?a=1&sig=REDACTED#f"),
    (Url, "http://h/?AWSAccessKeyId=AK&Signature=s", "http://h/?AWSAccessKeyId=REDACTED&Signature=REDACTED"),
    (Url, "http://h/?pass%77ord=hunter2", "http://h/?pass%77ord=REDACTED"),
    (Url, "http://h/?token=&tokens=1&token", "http://h/?token=&tokens=1&token"),
    (Url, "/cb?code=hunter2&state=x", "/cb?code=REDACTED&state=x"),
    (Url, "http://h/cb#access_token=hunter2&token_type=bearer", "http://h/cb#access_token=REDACTED&token_type=bearer"),
    (Url, "http://h/#/route?session=hunter2", "http://h/#/route?session=REDACTED"),
    (Url, "http://h/a;jsessionid=hunter2/b?c=d", "http://h/a;jsessionid=REDACTED?c=d"),
    (Query, "user[password]=hunter2&user%5Bpassword%5D=hunter2&token[]=hunter2", "user[password]=REDACTED&user%5Bpassword%5D=REDACTED&token[]=REDACTED"),
    (Query, "code=1&session=2&sid=3&otp=4&pass=5&csrf_token=6&SAMLResponse=7&pin=8&cvv=9&ssn=0", "code=REDACTED&session=REDACTED&sid=REDACTED&otp=REDACTED&pass=REDACTED&csrf_token=REDACTED&SAMLResponse=REDACTED&pin=REDACTED&cvv=REDACTED&ssn=REDACTED"),
    (Query, "key=hunter2&monkey=1&keyword=x&country_code=de&zipcode=1&status_code=200", "key=REDACTED&monkey=1&keyword=x&country_code=de&zipcode=1&status_code=200"),
    (Query, "sv=2022&se=2030&sig=hunter2%3D", "sv=2022&se=2030&sig=REDACTED"),
    (Query, "a=1;token=hunter2;b=2", "a=1;token=REDACTED;b=2"),
    (Query, "next=https://u:hunter2@h/?token=hunter2&a=b", "next=https://REDACTED:REDACTED@h/?token=REDACTED&a=b"),
    (Query, "next=https%3A%2F%2Fu%3Ahunter2%40h%2F%3Ftoken%3Dhunter2&a=b", "next=https%3A%2F%2FREDACTED%3AREDACTED%40h%2F%3Ftoken%3DREDACTED&a=b"),
    (Query, "next=%2Fcb%253Fcode%253Dhunter2", "next=%2Fcb%253Fcode%253DREDACTED"),
    (Query, "next=%2Fa%3Fpage%3D1&mail=a%40b.c", "next=%2Fa%3Fpage%3D1&mail=a%40b.c"),
    (Query, "data=%7B%22password%22%3A%22hunter2%22%7D", "data=%7B%22password%22%3A%22REDACTED%22%7D"),
    (Query, "q=password&sort_key=a&page=key", "q=password&sort_key=a&page=key"),
    (Path, "/orders/7/key", "/orders/7/key"),
    (Path, "/a;sid=hunter2;b=c", "/a;sid=REDACTED;b=c"),
    (Path, "/reset/eyJhbGciOiJIUzI1NiJ9.e30.hunter2", "/reset/REDACTED"),
    (Endpoint, "http://host:4318/v1/traces", "http://host:4318/v1/traces"),
    (Endpoint, "me:hunter2@host:4317", "REDACTED@host:4317"),
    (Endpoint, "me:hun#ter2@host:4317", "REDACTED@host:4317"),
    (Endpoint, "ftp://me:hun?ter2@host/x", "ftp://REDACTED@host/x"),
    (Endpoint, "https://host/in?tenant=a&lic#x", "https://host/in?tenant=REDACTED&REDACTED"),
    (Endpoint, "https://host/in#hunter2", "https://host/in"),
    // URLs and what looks like them, in texts
    (Message, "error sending request for url (http://u:hunter2@h/?token=hunter2): refused", "error sending request for url (http://REDACTED:REDACTED@h/?token=REDACTED): refused"),
    (Message, "error sending request for url (http://db:8123/?query=SELECT+%27hunter2%27&user=ada)", "error sending request for url (http://db:8123/?query=REDACTED&user=ada)"),
    (Message, "ünï http://h/?sig=hunter2\u{2014}", "ünï http://h/?sig=REDACTED"),
    (Message, "open postgres://app:hunter2 hunter2@db/shop failed", "open postgres://REDACTED:REDACTED@db/shop failed"),
    (Message, "open postgres://app:hun\"ter2@db/shop failed", "open postgres://REDACTED:REDACTED@db/shop failed"),
    (Message, "open \"postgres://app:hun'ter2@db/shop\" failed", "open \"postgres://REDACTED:REDACTED@db/shop\" failed"),
    (Message, "open mongodb://u:hun,ter(2)@h1,h2/db", "open mongodb://REDACTED:REDACTED@h1,h2/db"),
    (Message, "http://a:hunter2@b,http://c:hunter2@d", "http://REDACTED:REDACTED@b,http://REDACTED:REDACTED@d"),
    (Message, "listening on http://localhost:3000, mail ops@example.com", "listening on http://localhost:3000, mail ops@example.com"),
    (Message, "dsn app:hunter2@tcp(db:3306)/shop?tls=on", "dsn REDACTED:REDACTED@tcp(db:3306)/shop?tls=on"),
    (Message, "app:hun/te#r2?@db:5432/shop", "REDACTED:REDACTED@db:5432/shop"),
    (Message, "jdbc:sqlserver://h;user=sa;password=hunter2;encrypt=true", "jdbc:sqlserver://h;user=sa;password=REDACTED;encrypt=true"),
    (Message, "jdbc:oracle:thin:scott/hunter2@h:1521:x", "REDACTED:REDACTED@h:1521:x"),
    (Message, "jdbc:postgresql://h/db?user=a&password=hunter2", "jdbc:postgresql://h/db?user=a&password=REDACTED"),
    (Message, "GET /cb?code=hunter2&state=x HTTP/1.1", "GET /cb?code=REDACTED&state=x HTTP/1.1"),
    (Message, "GET /cb?code=hunter2 HTTP/1.1", "GET /cb?code=REDACTED HTTP/1.1"),
    (Message, "to /cb#code=hunter2", "to /cb#code=REDACTED"),
    (Message, "body: code=hunter2&grant_type=authorization_code", "body: code=REDACTED&grant_type=authorization_code"),
    (Message, "back to %2Fcb%3Ftoken%3Dhunter2", "back to %2Fcb%3Ftoken%3DREDACTED"),
    (Message, "post https://hooks.slack.com/services/T0/B0/hunter2 now", "post https://hooks.slack.com/services/REDACTED now"),
    (Message, "git@github.com:ada/shop.git", "git@github.com:ada/shop.git"),
    (Message, "mailto:ada@example.com", "mailto:ada@example.com"),
    (Message, "pull nginx:1.25@sha256:0123", "pull nginx:1.25@sha256:0123"),
    (Message, "at 12:30:45 ada@example.com came from 10.0.0.1:80", "at 12:30:45 ada@example.com came from 10.0.0.1:80"),
    (Message, "shop::orders::add failed at src/main.rs:10:5", "shop::orders::add failed at src/main.rs:10:5"),
    // Pairs
    (Message, "password=hunter2", "password=REDACTED"),
    (Message, "login: user=ada, password=hunter2, from=here", "login: user=ada, password=REDACTED, from=here"),
    (Message, "(user=ada password='hunter2 hunter2')", "(user=ada password='REDACTED')"),
    (Message, "password='it''s hunter2' x", "password='REDACTED' x"),
    (Message, "host=h password=hun,te;r2)x dbname=d", "host=h password=REDACTED dbname=d"),
    (Message, "Server=h;Password=my hunter2;Database=d", "Server=h;Password=REDACTED;Database=d"),
    (Message, "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=hunter2==;EndpointSuffix=core.windows.net", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=REDACTED;EndpointSuffix=core.windows.net"),
    (Message, "Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=hunter2=", "Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=REDACTED"),
    (Message, "password: hunter2", "password: REDACTED"),
    (Message, "db_password := hunter2", "db_password := REDACTED"),
    (Message, "Config { user: \"ada\", password: \"hunter2 hunter2\", port: 1 }", "Config { user: \"ada\", password: \"REDACTED\", port: 1 }"),
    (Message, "Config { password: Some(\"hunter2 hunter2\"), port: 1 }", "Config { password: REDACTED, port: 1 }"),
    (Message, "Config { token: Token { id: 1, value: \"hunter2\" }, port: 1 }", "Config { token: REDACTED, port: 1 }"),
    (Message, "secret: [104, 117, 110], port: 1", "secret: REDACTED, port: 1"),
    (Message, r#"{"user":"ada","password":"hunter2","port":1}"#, r#"{"user":"ada","password":"REDACTED","port":1}"#),
    (Message, r#"{"password" : "hun\"ter2", "pin": 1234, "a": [1]}"#, r#"{"password" : "REDACTED", "pin": REDACTED, "a": [1]}"#),
    (Message, r#"{"password":"hunter2\\","a":"b"}"#, r#"{"password":"REDACTED","a":"b"}"#),
    (Message, r#"{\"password\":\"hun\\\"ter2\",\"a\":\"b\"}"#, r#"{\"password\":\"REDACTED\",\"a\":\"b\"}"#),
    (Message, r#""{\"password\":\"hunter2\",\"a\":\"b\"}""#, r#""{\"password\":\"REDACTED\",\"a\":\"b\"}""#),
    (Message, r#"{\\\"token\\\":\\\"hunter2\\\"}"#, r#"{\\\"token\\\":\\\"REDACTED\\\"}"#),
    (Message, r#"{"tokens":3,"access_tokens":["hunter2","hunter2"],"a":1}"#, r#"{"tokens":3,"access_tokens":REDACTED,"a":1}"#),
    (Message, r#"("password", "hunter2")"#, r#"("password", "REDACTED")"#),
    (Message, "config['password'] = 'hunter2'", "config['password'] = 'REDACTED'"),
    (Message, "<user>ada</user><password>hunter2 hunter2</password>", "<user>ada</user><password>REDACTED</password>"),
    (Message, "line\\npassword=hunter2\\n", "line\\npassword=REDACTED"),
    (Message, "never closed: password=\"hunter2 hunter2", "never closed: password=\"REDACTED"),
    (Message, "run mysql --password hunter2 --host h", "run mysql --password REDACTED --host h"),
    (Message, "FOO_TOKEN=hunter2 ./cmd", "FOO_TOKEN=REDACTED ./cmd"),
    // Headers
    (Message, "Authorization: Bearer hunter2 was refused", "Authorization: REDACTED was refused"),
    (Message, "authorization: Basic dXNlcjpwdw==", "authorization: REDACTED"),
    (Message, "Authorization: Digest username=\"a\", response=\"hunter2\"\nHost: h", "Authorization: REDACTED\nHost: h"),
    (Message, "Proxy-Authorization: hunter2 hunter2", "Proxy-Authorization: REDACTED"),
    (Message, "Cookie: a=hunter2; b=hunter2\r\nHost: h", "Cookie: REDACTED\r\nHost: h"),
    (Message, "Set-Cookie: a=hunter2; Path=/", "Set-Cookie: REDACTED"),
    (Message, r#"{"authorization": "Bearer hunter2", "cookie": "a=hunter2", "host": "h"}"#, r#"{"authorization": "REDACTED", "cookie": "REDACTED", "host": "h"}"#),
    (Message, r#"("authorization", "Bearer hunter2")"#, r#"("authorization", "REDACTED")"#),
    (Message, "X-Api-Key: hunter2", "X-Api-Key: REDACTED"),
    (Message, "x-auth: hunter2", "x-auth: REDACTED"),
    (Message, "got Bearer hunter2.", "got Bearer REDACTED."),
    // Shapes
    (Message, "key AKIAIOSFODNN7HUNTER2 leaked", "key REDACTED leaked"),
    (Message, "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/hunter2", "aws_secret_access_key = REDACTED"),
    (Message, "use ghp_hunter2hunter2hunter2, then", "use REDACTED, then"),
    (Message, "sk-hunter2hunter2hunter2", "REDACTED"),
    (Message, "sk_live_hunter2hunter2 and xoxb-1-hunter2hunter2", "REDACTED and REDACTED"),
    (Message, "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\nx", "REDACTED\nx"),
    (Message, "k=\"-----BEGIN PRIVATE KEY-----\\nhunter2", "k=\"REDACTED"),
    (Message, "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"),
    // Of databases
    (Message, "insert failed: duplicate key Key (email)=(hunter2) already exists.", "insert failed: duplicate key Key (email)=(?) already exists."),
    (Message, "insert failed: Duplicate entry 'hunter2' for key 'email'", "insert failed: Duplicate entry ? for key ?"),
    (Message, r#"insert "t": invalid input syntax for type integer: "hunter2""#, r#"insert "t": invalid input syntax for type integer: ?"#),
    (Message, r#"query: near "hunter2": syntax error"#, "query: near ?: syntax error"),
    (Message, "query: Incorrect integer value: 'hunter2' for column 'c' at row 1", "query: Incorrect integer value: ? for column ? at row 1"),
    // Words of a sentence, if their value is no word of it
    (Message, "otp: 123456, pwd: hunter2, pass: hunter2, session: a1b2c3hunter2, pin: 1234", "otp: REDACTED, pwd: REDACTED, pass: REDACTED, session: REDACTED, pin: REDACTED"),
    (Message, "api key: hunter2, the access code: hunter2, private key=hunter2", "api key: REDACTED, the access code: REDACTED, private key=REDACTED"),
    (Message, "ran curl -u me:hunter2 h", "ran curl -u REDACTED h"),
    (Message, "signature: 3045022100hunter2 auth: p!hunter", "signature: REDACTED auth: REDACTED"),
    // No secrets
    (Message, "plain", "plain"),
    (Message, "status_code=404 country_code=de zipcode=1 code=7 key=user:42", "status_code=404 country_code=de zipcode=1 code=7 key=user:42"),
    (Message, "monkey=1 keyboard: x, keyword=y turkey=z author=ada", "monkey=1 keyboard: x, keyword=y turkey=z author=ada"),
    (Message, "session: started, auth: failed, pass: 3, code: 7, key: x, cache key: a:b, exit code: 137", "session: started, auth: failed, pass: 3, code: 7, key: x, cache key: a:b, exit code: 137"),
    (Message, "token_type=bearer expires_in=3600 max_tokens=5 total_tokens=7", "token_type=bearer expires_in=3600 max_tokens=5 total_tokens=7"),
    (Message, "password=null token: None secret=*** {\"password\":null}", "password=null token: None secret=*** {\"password\":null}"),
    (Message, "Basic usage: the bearer of good news, Bearer authentication", "Basic usage: the bearer of good news, Bearer authentication"),
    (Message, "the password is wrong; no token; secrets stay", "the password is wrong; no token; secrets stay"),
    (Message, "UPDATE users SET password = ? WHERE id = $1", "UPDATE users SET password = ? WHERE id = $1"),
    (Message, "sk-learn-is-a-library-and-no-key npm_config_registry_url", "sk-learn-is-a-library-and-no-key npm_config_registry_url"),
    (Message, "2026-11-28T12:00:00.123Z INFO shop: order 7 took 12ms (a=b)", "2026-11-28T12:00:00.123Z INFO shop: order 7 took 12ms (a=b)"),
    // Captured headers
    (Header, "authorization: Basic hunter2", "authorization: REDACTED"),
    (Header, "x-api-key: hunter2", "x-api-key: REDACTED"),
    (Header, "x-shop-session: hunter2", "x-shop-session: REDACTED"),
    (Header, "x-csrf-token: hunter2", "x-csrf-token: REDACTED"),
    (Header, "location: /cb?code=hunter2&state=x#access_token=hunter2", "location: /cb?code=REDACTED&state=x#access_token=REDACTED"),
    (Header, "location: https://u:hunter2@h/a?b=c", "location: https://REDACTED:REDACTED@h/a?b=c"),
    (Header, "referer: https://h/reset?token=hunter2&a=b", "referer: https://h/reset?token=REDACTED&a=b"),
    (Header, "x-original-url: /a?sig=hunter2", "x-original-url: /a?sig=REDACTED"),
    (Header, "x-own: Bearer hunter2", "x-own: Bearer REDACTED"),
    (Header, "accept: text/html;q=0.9, */*", "accept: text/html;q=0.9, */*"),
    (Header, "content-type: multipart/form-data; boundary=x", "content-type: multipart/form-data; boundary=x"),
    (Header, "user-agent: Mozilla/5.0 (X11; rv:1.0) Gecko", "user-agent: Mozilla/5.0 (X11; rv:1.0) Gecko"),
    // Attributes
    (Attribute, "db.password=hunter2", "db.password=REDACTED"),
    (Attribute, "token=hunter2", "token=REDACTED"),
    (Attribute, "otp=hunter2", "otp=REDACTED"),
    (Attribute, "target=http://u:hunter2@h/", "target=http://REDACTED:REDACTED@h/"),
    (Attribute, "key=user:42", "key=user:42"),
    (Attribute, "http.response.status_code=7", "http.response.status_code=7"),
    (Attribute, "gen_ai.usage.input_tokens=7", "gen_ai.usage.input_tokens=7"),
    // Arguments
    (Arguments, "job|--port|80|-v", "job|--port|80|-v"),
    (Arguments, "job|--password=hunter2|x", "job|--password=REDACTED|x"),
    (Arguments, "job|--password|hunter2|x", "job|--password|REDACTED|x"),
    (Arguments, "job|--password|-hunter2|x", "job|--password|REDACTED|x"),
    (Arguments, "job|--no-password|--host|h", "job|--no-password|--host|h"),
    (Arguments, "job|--token|--secret|hunter2|x", "job|--token|--secret|REDACTED|x"),
    (Arguments, "job|-token|hunter2", "job|-token|REDACTED"),
    (Arguments, "job|--key|hunter2|--key=hunter2|--code=hunter2|--pin|1", "job|--key|REDACTED|--key=REDACTED|--code=REDACTED|--pin|REDACTED"),
    (Arguments, "job|--dbpass=hunter2|--db-pass|hunter2", "job|--dbpass=REDACTED|--db-pass|REDACTED"),
    (Arguments, "job|--token-type|bearer|--password-file|/run/x|--monkey=1", "job|--token-type|bearer|--password-file|/run/x|--monkey=1"),
    (Arguments, "mysql|-phunter2|-p|hunter2|-P|3306", "mysql|-pREDACTED|-p|REDACTED|-P|REDACTED"),
    (Arguments, "serve|-p|8080|-path|/x|-port=80|-parallel|4", "serve|-p|REDACTED|-path|/x|-port=80|-parallel|4"),
    (Arguments, "job|PGPASSWORD=hunter2|A=b", "job|PGPASSWORD=REDACTED|A=b"),
    (Arguments, "env|FOO_TOKEN=hunter2|cmd", "env|FOO_TOKEN=REDACTED|cmd"),
    (Arguments, "job|-Dspring.datasource.password=hunter2", "job|-Dspring.datasource.password=REDACTED"),
    (Arguments, "job|--header=Authorization: Bearer hunter2", "job|--header=Authorization: REDACTED"),
    (Arguments, "/usr/bin/curl|-u|hunter2|h", "/usr/bin/curl|-u|REDACTED|h"),
    (Arguments, "curl|-u|me:hunter2|-ume:hunter2|-uhunter2|h", "curl|-u|REDACTED|-uREDACTED|-uREDACTED|h"),
    (Arguments, "docker|run|-u|1000|i", "docker|run|-u|1000|i"),
    (Arguments, "curl|-H|Authorization: Bearer hunter2|-b|a=hunter2", "curl|-H|Authorization: REDACTED|-b|REDACTED"),
    (Arguments, "curl|-H|X-Api-Key: hunter2|-H|X-Auth: hunter2", "curl|-H|X-Api-Key: REDACTED|-H|X-Auth: REDACTED"),
    (Arguments, "curl|-H|Accept: text/html", "curl|-H|Accept: text/html"),
    (Arguments, "redis-cli|-a|hunter2|get|k", "redis-cli|-a|REDACTED|get|k"),
    (Arguments, "job|https://me:hunter2@h/p?token=hunter2&a=b", "job|https://REDACTED:REDACTED@h/p?token=REDACTED&a=b"),
    (Arguments, "job|--url=https://me:hun/ter2@h/", "job|--url=https://REDACTED:REDACTED@h/"),
    (Arguments, "sh|-c|curl -H 'Authorization: Bearer hunter2' h", "sh|-c|curl -H 'Authorization: REDACTED' h"),
    (Arguments, "sh|-c|TOKEN=hunter2 ./run --token hunter2; ls", "sh|-c|TOKEN=REDACTED ./run --token REDACTED; ls"),
    (Arguments, "sh|-c|curl -u me:hunter2 h && mysql -phunter2 -p hunter2 && ls -path", "sh|-c|curl -u REDACTED h && mysql -pREDACTED -p REDACTED && ls -path"),
    (Arguments, "docker|run|-e|DB_PASS=hunter2|-eDB_PASS=hunter2|i", "docker|run|-e|DB_PASS=REDACTED|-eDB_PASS=REDACTED|i"),
    (Arguments, "sh|-c|echo a:b && ls", "sh|-c|echo a:b && ls"),
    (Arguments, "job|{\"user\":\"a\",\"password\":\"hunter2\"}", "job|{\"user\":\"a\",\"password\":\"REDACTED\"}"),
    (Arguments, "job|ghp_hunter2hunter2hunter2|--with=ghp_hunter2hunter2hunter2", "job|REDACTED|--with=REDACTED"),
    (Arguments, "job|a b|", "job|a b|"),
];

#[test]
fn secrets_are_hidden_and_other_text_is_kept() {
    let mut wrong = String::new();
    for (kind, raw, clean) in TABLE {
        let found = shown(*kind, raw);
        if found != *clean {
            wrong.push_str(&format!("{kind:?}\n  of   {raw}\n  want {clean}\n  got  {found}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// What is hidden once stays as it is: texts pass through here more than once.
#[test]
fn hiding_twice_changes_nothing() {
    for (kind, _, clean) in TABLE.iter().filter(|(kind, ..)| *kind != Arguments) {
        assert_eq!(shown(*kind, clean), *clean, "{kind:?}");
    }
}

/// Every secret of the table within every other kind of text that can hold it.
#[test]
fn a_secret_is_hidden_wherever_its_text_stands() {
    for (kind, raw, _) in TABLE.iter().filter(|(kind, raw, _)| *kind == Message && raw.contains("hunter2")) {
        for text in
            [format!("job failed: {raw}"), format!("ünï\n{raw}\nnext line"), format!("\"{raw}\""), format!("a=b {raw}")]
        {
            assert!(!message(&text).contains("hunter2"), "{kind:?}: {text}\n{}", message(&text));
        }
        assert!(!message(raw).contains("hunter2"), "{raw}");
        assert!(!header("x-note", raw).contains("hunter2"), "{raw}");
        assert!(!database_message(raw).contains("hunter2"), "{raw}");
        assert!(!arguments(&["job".to_owned(), (*raw).to_owned()]).concat().contains("hunter2"), "{raw}");
        let encoded = percent_encoding::utf8_percent_encode(raw, percent_encoding::NON_ALPHANUMERIC).to_string();
        assert!(!query(&format!("a=b&note={encoded}")).contains("hunter2"), "{raw}");
        assert!(!url(&format!("https://h/p?note={encoded}#x")).contains("hunter2"), "{raw}");
    }
}

#[test]
fn a_token_by_its_shape_is_hidden_in_any_text() {
    for text in [
        JWT.to_owned(),
        format!("id {JWT}."),
        format!("/verify/{JWT}/x"),
        format!("(\"{JWT}\")"),
        format!("a={JWT};b=c"),
    ] {
        assert!(!message(&text).contains("hunter2"), "{}", message(&text));
        assert!(!url(&text).contains("hunter2"), "{}", url(&text));
    }
}

/// Whatever the text: no panic, and no more time for it than its length allows.
#[test]
fn arbitrary_text_causes_no_panic_and_takes_linear_time() {
    let odd = [
        "ü",
        "=",
        ":",
        "://",
        "@",
        "\"",
        "'",
        "\\",
        "password",
        "code=",
        "(",
        "[",
        "{",
        "%",
        "%2",
        "%40",
        "?",
        "&",
        "#",
        "-----BEGIN ",
        "-----END ",
        "PRIVATE KEY-----",
        "Bearer ",
        "authorization: ",
        "--token ",
        "\n",
        " ",
        ";",
        "<",
        ">",
        "eyJ",
        "Key (",
        ")=(",
        ",",
        "x",
    ];
    // A walk through all pairs and triples of neighbours, by a generator of the simplest kind.
    let mut state = 7_u64;
    let mut next = |most: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % most
    };
    for _ in 0..5_000 {
        let text: String = (0..next(12)).map(|_| odd[next(odd.len())]).collect();
        for kind in [Url, Query, Path, Endpoint, Message, Arguments] {
            let _ = shown(kind, &text);
        }
        let _ = database_message(&text);
    }
    for piece in odd {
        let long = piece.repeat(20_000 / piece.len());
        let _ = (message(&long), url(&long), query(&long));
    }
}
