// SPDX-License-Identifier: Apache-2.0
#include "cli/text.h"

#include <stdio.h>

namespace cli {

namespace {

// Digits, perhaps a point and more digits, as value * 1000; the rest of the text stays in *text.
bool read_thousandths(std::string_view* text, uint64_t* value) {
  size_t i = 0;
  uint64_t n = 0;
  auto digit = [&] { return i < text->size() && (*text)[i] >= '0' && (*text)[i] <= '9'; };
  for (; digit(); i++) {
    if (n > UINT64_MAX / 100000) return false;
    n = n * 10 + static_cast<uint64_t>((*text)[i] - '0');
  }
  if (i == 0) return false;
  n *= 1000;
  if (i < text->size() && (*text)[i] == '.') {
    i++;
    if (!digit()) return false;
    for (uint64_t unit = 100; digit(); i++, unit /= 10) n += unit * static_cast<uint64_t>((*text)[i] - '0');
  }
  text->remove_prefix(i);
  *value = n;
  return true;
}

bool scale(uint64_t thousandths, uint64_t unit, uint64_t* out) {
  unsigned __int128 n = static_cast<unsigned __int128>(thousandths) * unit / 1000;
  *out = static_cast<uint64_t>(n);
  return n <= UINT64_MAX;
}

}  // namespace

bool read_size(std::string_view text, uint64_t* bytes) {
  uint64_t n;
  if (!read_thousandths(&text, &n)) return false;
  uint64_t unit = 1;
  if (!text.empty() && text != "B") {
    static constexpr std::string_view kUnits = "KMGTkmgt";
    size_t at = kUnits.find(text[0]);
    if (at == std::string_view::npos) return false;
    unit <<= 10 * (at % 4 + 1);
    text.remove_prefix(1);
    if (!text.empty() && text != "B" && text != "iB") return false;
  }
  return scale(n, unit, bytes);
}

bool read_age(std::string_view text, uint64_t* seconds) {
  uint64_t n;
  if (!read_thousandths(&text, &n)) return false;
  uint64_t unit = 1;
  if (text == "m") unit = 60;
  else if (text == "h") unit = 3600;
  else if (text == "d") unit = 86400;
  else if (text == "w") unit = 7 * 86400;
  else if (!text.empty() && text != "s") return false;
  return scale(n, unit, seconds);
}

std::string show_size(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  char text[32];
  if (bytes < 1024) {
    snprintf(text, sizeof text, "%u B", static_cast<unsigned>(bytes));
    return text;
  }
  double n = static_cast<double>(bytes);
  int unit = 0;
  for (; n >= 1023.95 && unit < 6; unit++) n /= 1024;
  snprintf(text, sizeof text, "%.1f %s", n, kUnits[unit]);
  return text;
}

std::string show_time(uint64_t ms) {
  char text[48];
  uint64_t s = ms / 1000;
  if (s < 60) snprintf(text, sizeof text, "%.1f s", static_cast<double>(ms / 100) / 10);
  else if (s < 3600) snprintf(text, sizeof text, "%d min %02d s", static_cast<int>(s / 60), static_cast<int>(s % 60));
  else
    snprintf(text, sizeof text, "%llu h %02d min", static_cast<unsigned long long>(s / 3600),
             static_cast<int>(s / 60 % 60));
  return text;
}

std::string show_count(uint64_t n) {
  const std::string digits = std::to_string(n);
  std::string text;
  for (size_t i = 0; i < digits.size(); i++) {
    if (i && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string show_text(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

}  // namespace cli
