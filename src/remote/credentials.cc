// SPDX-License-Identifier: Apache-2.0
#include "remote/credentials.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace remote {

namespace {

constexpr int kAskMs = 1000;
constexpr long long kEarlyS = 300;         // keys are asked for again before they end
constexpr long long kRefusedMs = 30'000;   // and not at once after that was in vain
constexpr int kMaxDepth = 4;               // of source_profile

std::string_view strip(std::string_view s) {
  while (!s.empty() && strchr(" \t\r\n", s.front())) s.remove_prefix(1);
  while (!s.empty() && strchr(" \t\r\n", s.back())) s.remove_suffix(1);
  return s;
}

// They end up in headers.
bool has_control(std::string_view s) {
  for (char c : s)
    if (static_cast<unsigned char>(c) < 0x20) return true;
  return false;
}

bool read_small(const std::string& path, std::string* out) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return false;
  struct stat st;
  char buf[4096];
  ssize_t n = 0;
  out->clear();
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
    while (out->size() < (1 << 20) && (n = read(fd, buf, sizeof buf)) > 0) out->append(buf, static_cast<size_t>(n));
  close(fd);
  return n == 0 && S_ISREG(st.st_mode);
}

// 2026-11-26T01:02:03Z; 0 if it is none.
long long parse_time(const std::string& s) {
  struct tm tm = {};
  const char* end = strptime(s.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  return end ? timegm(&tm) : 0;
}

std::string xml_text(const std::string& xml, const char* tag) {
  std::string open = std::string("<") + tag + ">";
  size_t at = xml.find(open), end;
  if (at == std::string::npos || (end = xml.find('<', at + open.size())) == std::string::npos) return {};
  return std::string(strip(std::string_view(xml).substr(at + open.size(), end - at - open.size())));
}

struct JsonTree {
  explicit JsonTree(const std::string& text) : root(cJSON_ParseWithLength(text.data(), text.size())) {}
  ~JsonTree() { cJSON_Delete(root); }
  std::string get(const char* name) const {
    const cJSON* v = root ? cJSON_GetObjectItemCaseSensitive(root, name) : nullptr;
    return cJSON_IsString(v) && v->valuestring ? v->valuestring : "";
  }
  cJSON* root;
};

}  // namespace

const std::string& Credentials::Profile::get(const char* name) const {
  static const std::string none;
  auto it = values.find(name);
  return it == values.end() ? none : it->second;
}

Credentials::Credentials(const Settings& s) : settings_(s) {
  const std::string& how = s.get("credentials");
  if (how == "none") anonymous_ = true;
  else if (!how.empty() && how != "default") throw Refused("\"credentials\" is neither \"none\" nor \"default\"");
  if (s.has("access_key_id") != s.has("secret_access_key")) throw Refused("of \"access_key_id\" and \"secret_access_key\" one is not there");
  profile_ = s.has("profile") ? s.get("profile") : s.env("AWS_PROFILE");
  region_ = s.has("region") ? s.get("region") : s.env("AWS_REGION");
  if (region_.empty()) region_ = s.env("AWS_DEFAULT_REGION");
  if (region_.empty()) region_ = profile(profile_.empty() ? "default" : profile_).get("region");
  // It becomes part of hosts and of headers.
  for (char c : region_)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) throw Refused("\"region\" is no name of a region");
}

std::string Credentials::file_of(const char* variable, const char* name) const {
  if (settings_.no_files) return {};
  std::string named = settings_.env(variable), home = settings_.env("HOME");
  return !named.empty() ? named : home.empty() ? "" : home + "/.aws/" + name;
}

// What both files say of it; of a key that both have, the credentials file's.
Credentials::Profile Credentials::profile(const std::string& name) const {
  Profile p;
  for (bool config : {true, false}) {
    std::string text, path = config ? file_of("AWS_CONFIG_FILE", "config") : file_of("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    if (path.empty() || !read_small(path, &text)) continue;
    bool in = false, nested = false;
    for (size_t at = 0; at < text.size();) {
      size_t end = std::min(text.find('\n', at), text.size());
      std::string_view line(text.data() + at, end - at), s = strip(line);
      at = end + 1;
      if (s.empty() || s[0] == '#' || s[0] == ';') continue;
      if (s[0] == '[') {
        std::string_view section = strip(s.substr(1, s.find(']') == std::string_view::npos ? 0 : s.find(']') - 1));
        if (config && section.substr(0, 8) == "profile ") section = strip(section.substr(8));
        else if (config && section != "default") section = {};
        in = section == name;
        nested = false;
        continue;
      }
      size_t eq = s.find('=');
      if (!in || eq == std::string_view::npos || ((line[0] == ' ' || line[0] == '\t') && nested)) continue;
      std::string key(strip(s.substr(0, eq)));
      std::string_view value = strip(s.substr(eq + 1));
      nested = value.empty();  // "s3 =" and its indented lines
      if (!value.empty()) p.values[key] = value;
    }
  }
  return p;
}

bool Credentials::from_environment(Timed* out) const {
  out->keys = {settings_.env("AWS_ACCESS_KEY_ID"), settings_.env("AWS_SECRET_ACCESS_KEY"), settings_.env("AWS_SESSION_TOKEN")};
  return !out->keys.access_key.empty() && !out->keys.secret_key.empty();
}

std::string Credentials::sts_url() const {
  std::string url = settings_.env("AWS_ENDPOINT_URL_STS");
  if (url.empty()) url = region_.empty() ? "https://sts.amazonaws.com" : "https://sts." + region_ + ".amazonaws.com" + (region_.compare(0, 3, "cn-") == 0 ? ".cn" : "");
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

Credentials::Timed Credentials::sts_answer(const HttpAnswer& a) const {
  if (a.status != 200) {
    std::string code = xml_text(a.body, "Code");
    throw Refused("STS answers " + std::to_string(a.status) + (code.empty() ? "" : " " + code.substr(0, 60)));
  }
  Timed t;
  t.keys = {xml_text(a.body, "AccessKeyId"), xml_text(a.body, "SecretAccessKey"), xml_text(a.body, "SessionToken")};
  t.until = parse_time(xml_text(a.body, "Expiration"));
  if (t.keys.access_key.empty() || t.keys.secret_key.empty()) throw Refused("STS answers without keys");
  return t;
}

Credentials::Timed Credentials::assume(const Keys& with, const Profile& p, const Ask& ask) const {
  if (has_control(with.access_key) || has_control(with.secret_key) || has_control(with.token)) throw Refused("the keys of the role's source have a control character");
  const std::string url = sts_url(), session = p.get("role_session_name");
  std::string body = "Action=AssumeRole&Version=2011-06-15&RoleArn=" + percent_encode(p.get("role_arn"), false) + "&RoleSessionName=" +
                     percent_encode(session.empty() ? "cchain" : session, false);
  if (!p.get("external_id").empty()) body += "&ExternalId=" + percent_encode(p.get("external_id"), false);
  if (!p.get("mfa_serial").empty()) throw Refused("the profile wants a second factor (mfa_serial): get keys with `aws sts get-session-token` and give them by the environment");
  ToSign s;
  s.method = "POST";
  size_t host = url.find("://") + 3;
  s.host = url.substr(host, url.find('/', host) - host);
  s.path = "/";
  s.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  s.payload_hash = sha256_hex(body);
  s.region = region_.empty() ? "us-east-1" : region_;
  s.service = "sts";
  s.time = time(nullptr);
  HttpRequest r = {"POST", url + "/", sign(s, with), body};
  r.headers.push_back("Content-Type: application/x-www-form-urlencoded");
  HttpAnswer a;
  std::string error;
  if (!ask(r, kAskMs * 3, &a, &error)) throw Refused("STS: " + error, CC_FAIL_TIMEOUT);
  return sts_answer(a);
}

bool Credentials::from_web_identity(const std::string& role, const std::string& file, const std::string& session, const Ask& ask, Timed* out) const {
  if (role.empty() || file.empty()) return false;
  std::string token;
  if (!read_small(file, &token)) throw Refused("the web identity's token file can't be read");
  const std::string body = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=" + percent_encode(role, false) + "&RoleSessionName=" +
                           percent_encode(session.empty() ? "cchain" : session, false) + "&WebIdentityToken=" + percent_encode(strip(token), false);
  HttpRequest r = {"POST", sts_url() + "/", {"Content-Type: application/x-www-form-urlencoded"}, body};
  HttpAnswer a;
  std::string error;
  if (!ask(r, kAskMs * 3, &a, &error)) throw Refused("STS: " + error, CC_FAIL_TIMEOUT);
  *out = sts_answer(a);
  return true;
}

bool Credentials::from_container(const Ask& ask, Timed* out) const {
  std::string url = settings_.env("AWS_CONTAINER_CREDENTIALS_FULL_URI"), relative = settings_.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative.empty()) url = "http://169.254.170.2" + relative;
  if (url.empty()) return false;
  std::string token = settings_.env("AWS_CONTAINER_AUTHORIZATION_TOKEN"), file = settings_.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (!file.empty() && !read_small(file, &token)) throw Refused("the container's token file can't be read");
  token = strip(token);
  if (has_control(token)) throw Refused("the container's token has a control character");
  // As other clients: a token in the clear goes to this machine and its own addresses only.
  size_t at = url.find("://");
  std::string host = at == std::string::npos ? "" : url.substr(at + 3, url.find_first_of(":/", at + 3) - at - 3);
  bool near = host == "localhost" || host.compare(0, 4, "127.") == 0 || host == "169.254.170.2" || host == "169.254.170.23" || url.find("://[::1]") != std::string::npos ||
              url.find("://[fd00:ec2::23]") != std::string::npos;
  if (url.compare(0, 8, "https://") != 0 && !(url.compare(0, 7, "http://") == 0 && near)) throw Refused("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor of this machine");
  HttpRequest r = {"GET", url, {}, {}};
  if (!token.empty()) r.headers.push_back("Authorization: " + token);
  HttpAnswer a;
  std::string error;
  if (!ask(r, kAskMs, &a, &error)) throw Refused("the container's credentials: " + error, CC_FAIL_TIMEOUT);
  if (a.status != 200) throw Refused("the container's credentials: the endpoint answers " + std::to_string(a.status));
  JsonTree j(a.body);
  out->keys = {j.get("AccessKeyId"), j.get("SecretAccessKey"), j.get("Token")};
  out->until = parse_time(j.get("Expiration"));
  if (out->keys.access_key.empty() || out->keys.secret_key.empty()) throw Refused("the container's credentials: an answer without keys");
  return true;
}

bool Credentials::from_instance(const Ask& ask, Timed* out) const {
  if (settings_.env("AWS_EC2_METADATA_DISABLED") == "true" || settings_.no_env) return false;
  std::string base = settings_.env("AWS_EC2_METADATA_SERVICE_ENDPOINT"), error;
  if (base.empty()) base = "http://169.254.169.254";
  while (!base.empty() && base.back() == '/') base.pop_back();
  HttpAnswer a;
  HttpRequest r = {"PUT", base + "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds: 21600"}, {}};
  if (!ask(r, kAskMs, &a, &error)) throw Refused("no credentials: neither options, AWS_* variables, ~/.aws nor a service of the machine has any", CC_FAIL_TIMEOUT);
  if (a.status != 200) throw Refused("the instance's credentials: the token is refused (" + std::to_string(a.status) + ")");
  if (has_control(strip(a.body))) throw Refused("the instance's credentials: the token has a control character");
  const std::string header = "X-aws-ec2-metadata-token: " + std::string(strip(a.body)), path = base + "/latest/meta-data/iam/security-credentials/";
  if (!ask({"GET", path, {header}, {}}, kAskMs, &a, &error)) throw Refused("the instance's credentials: " + error, CC_FAIL_TIMEOUT);
  std::string role(strip(a.body.substr(0, a.body.find('\n'))));
  if (a.status != 200 || role.empty()) throw Refused("the instance has no role");
  if (!ask({"GET", path + percent_encode(role, false), {header}, {}}, kAskMs, &a, &error)) throw Refused("the instance's credentials: " + error, CC_FAIL_TIMEOUT);
  if (a.status != 200) throw Refused("the instance's credentials: the service answers " + std::to_string(a.status));
  JsonTree j(a.body);
  out->keys = {j.get("AccessKeyId"), j.get("SecretAccessKey"), j.get("Token")};
  out->until = parse_time(j.get("Expiration"));
  if (out->keys.access_key.empty() || out->keys.secret_key.empty()) throw Refused("the instance's credentials: an answer without keys");
  return true;
}

bool Credentials::from_profile(const std::string& name, const Ask& ask, int depth, Timed* out) const {
  if (depth > kMaxDepth) throw Refused("profiles in ~/.aws name each other in a circle");
  Profile p = profile(name);
  if (!p.get("role_arn").empty()) {
    if (!p.get("web_identity_token_file").empty()) return from_web_identity(p.get("role_arn"), p.get("web_identity_token_file"), p.get("role_session_name"), ask, out);
    Timed source;
    const std::string& from = p.get("credential_source");
    bool have = false;
    if (!p.get("source_profile").empty()) {
      // A profile may name itself: then its own keys are meant.
      if (p.get("source_profile") == name) source.keys = {p.get("aws_access_key_id"), p.get("aws_secret_access_key"), p.get("aws_session_token")}, have = !source.keys.access_key.empty();
      else have = from_profile(p.get("source_profile"), ask, depth + 1, &source);
    } else if (from == "Environment") {
      have = from_environment(&source);
    } else if (from == "EcsContainer") {
      have = from_container(ask, &source);
    } else if (from == "Ec2InstanceMetadata") {
      have = from_instance(ask, &source);
    }
    if (!have) throw Refused("the profile \"" + name.substr(0, 60) + "\" has a role_arn and no source of keys for it");
    *out = assume(source.keys, p, ask);
    return true;
  }
  if (!p.get("aws_access_key_id").empty()) {
    out->keys = {p.get("aws_access_key_id"), p.get("aws_secret_access_key"), p.get("aws_session_token")};
    if (out->keys.secret_key.empty()) throw Refused("the profile \"" + name.substr(0, 60) + "\" has no aws_secret_access_key");
    return true;
  }
  const char* instead = ": run `eval \"$(aws configure export-credentials --format env)\"` before the build, so that the keys come by the environment";
  if (!p.get("sso_session").empty() || !p.get("sso_start_url").empty()) throw Refused(std::string("the profile uses SSO, which is not supported") + instead);
  if (!p.get("credential_process").empty()) throw Refused(std::string("the profile uses credential_process, and no program is started here") + instead);
  return false;
}

Credentials::Timed Credentials::find(const Ask& ask) const {
  Timed t;
  if (settings_.has("access_key_id")) {
    t.keys = {settings_.get("access_key_id"), settings_.get("secret_access_key"), settings_.get("session_token")};
    return t;
  }
  // A profile that the layer names comes before the environment's keys.
  const bool named = settings_.has("profile");
  if (!named && from_environment(&t)) return t;
  if (from_profile(profile_.empty() ? "default" : profile_, ask, 0, &t)) return t;
  if (!profile_.empty()) throw Refused("the profile \"" + profile_.substr(0, 60) + "\" is not in ~/.aws, or has no keys");
  if (from_web_identity(settings_.env("AWS_ROLE_ARN"), settings_.env("AWS_WEB_IDENTITY_TOKEN_FILE"), settings_.env("AWS_ROLE_SESSION_NAME"), ask, &t)) return t;
  if (from_container(ask, &t) || from_instance(ask, &t)) return t;
  throw Refused("no credentials: neither options, AWS_* variables nor ~/.aws have any");
}

Keys Credentials::get(const Ask& ask) {
  std::lock_guard<std::mutex> lock(mutex_);
  long long now = time(nullptr);
  if (known_ && (!timed_.until || now < timed_.until - kEarlyS)) return timed_.keys;
  if (!refused_.empty() && now_ms() < refused_until_ms_) throw Refused(refused_, refused_as_);
  try {
    Timed found = find(ask);
    if (has_control(found.keys.access_key) || has_control(found.keys.secret_key) || has_control(found.keys.token)) throw Refused("the keys have a control character");
    timed_ = std::move(found);
  } catch (const Refused& e) {
    if (known_ && now < timed_.until) return timed_.keys;
    refused_ = e.what();
    refused_as_ = e.failure;
    refused_until_ms_ = now_ms() + kRefusedMs;
    throw;
  }
  known_ = true;
  refused_.clear();
  return timed_.keys;
}

void Credentials::forget() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (timed_.until) known_ = false;
}

}  // namespace remote
