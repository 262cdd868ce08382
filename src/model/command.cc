// SPDX-License-Identifier: Apache-2.0
#include "model/command.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "model/options.h"

namespace cchain {

namespace {

std::string_view base_of(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

std::string quoted_word(std::string_view word) {
  return word.size() <= 200 ? std::string(word) : std::string(word.substr(0, 200)) + "…";
}

// Whether the driver of that name compiles C (or C++) by default. Neither: the name does not tell.
enum class Driver { kC, kCxx, kUnknown };

Driver driver_of(std::string_view base) {
  if (base.ends_with(".exe")) base.remove_suffix(4);
  size_t dash = base.find_last_of('-');
  if (dash != base.npos && dash + 1 < base.size() && base.find_first_not_of("0123456789.", dash + 1) == base.npos) {
    base = base.substr(0, dash);
  }
  if (base.ends_with("g++") || base.ends_with("c++") || base.ends_with("clang++")) return Driver::kCxx;
  if (base.ends_with("cc") || base.ends_with("clang") || base.ends_with("c89") || base.ends_with("c99")) return Driver::kC;
  return Driver::kUnknown;
}

enum class Source { kNone, kLanguage, kHeader, kObjC, kModule };

struct Suffix {
  std::string_view text;
  Language language;
};

// Only what gcc and clang agree on.
constexpr Suffix kSuffixes[] = {
    {"c", Language::kC},      {"i", Language::kCPreprocessed}, {"ii", Language::kCxxPreprocessed},
    {"cc", Language::kCxx},   {"cp", Language::kCxx},          {"cxx", Language::kCxx},
    {"cpp", Language::kCxx},  {"c++", Language::kCxx},         {"C", Language::kCxx},
    {"CPP", Language::kCxx},  {"s", Language::kAsm},           {"S", Language::kAsmCpp},
    {"sx", Language::kAsmCpp},
};
constexpr std::string_view kHeaderSuffixes[] = {"h", "hh", "H", "hp", "hxx", "hpp", "HPP", "h++", "tcc"};
constexpr std::string_view kModuleSuffixes[] = {"cppm", "ccm", "cxxm", "c++m", "ixx", "iim", "pcm", "gcm"};
constexpr std::string_view kObjCSuffixes[] = {"m", "mm", "M", "mi", "mii"};

Source source_by_suffix(std::string_view path, Language* language) {
  std::string_view base = base_of(path);
  size_t dot = base.find_last_of('.');
  if (dot == base.npos) return Source::kNone;
  std::string_view suffix = base.substr(dot + 1);
  for (const Suffix& s : kSuffixes) {
    if (s.text == suffix) {
      *language = s.language;
      return Source::kLanguage;
    }
  }
  if (std::find(std::begin(kHeaderSuffixes), std::end(kHeaderSuffixes), suffix) != std::end(kHeaderSuffixes)) return Source::kHeader;
  if (std::find(std::begin(kModuleSuffixes), std::end(kModuleSuffixes), suffix) != std::end(kModuleSuffixes)) return Source::kModule;
  if (std::find(std::begin(kObjCSuffixes), std::end(kObjCSuffixes), suffix) != std::end(kObjCSuffixes)) return Source::kObjC;
  return Source::kNone;
}

// "dir/x.y.c" with ".o": the base name with its last suffix exchanged, in the working directory.
std::string with_suffix(std::string_view path, std::string_view suffix) {
  size_t slash = path.find_last_of('/'), dot = path.find_last_of('.');
  if (dot == path.npos || (slash != path.npos && dot < slash)) return std::string(path) + std::string(suffix);
  return std::string(path.substr(0, dot)) + std::string(suffix);
}

bool only_chars(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || extra.find(c) != extra.npos;
  });
}

// Of /dev, its shared memory holds files as any file system does.
bool is_regular_output(std::string_view path) {
  return path != "-" && (!path.starts_with("/dev/") || path.starts_with("/dev/shm/")) && !path.starts_with("/proc/");
}

template <size_t N>
bool is_one_of(std::string_view word, const std::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

// Assembler options that read and write nothing (gas 2.40 and clang's assembler).
constexpr std::string_view kAssemblerFlags[] = {
    "--32", "--64", "--x32", "--noexecstack", "--execstack", "--fatal-warnings", "--warn", "--no-warn", "-W", "-L",
    "--keep-locals", "-mbig-obj", "--nocompress-debug-sections", "--compress-debug-sections", "-mbranches-within-32B-boundaries",
    "--strip-local-absolute", "-mthumb", "-mthumb-interwork", "-mno-warn-deprecated", "-mwarn-deprecated", "-mlittle-endian",
    "-mbig-endian", "-mno-relax", "-mrelax", "-many", "-maltivec", "-mvsx", "-mpower8", "-mpower9", "-mpower10", "-me500",
};
constexpr std::string_view kAssemblerValues[] = {
    "-march=", "-mcpu=", "-mtune=", "-mfpu=", "-mfloat-abi=", "-mabi=", "-mimplicit-it=", "-mrelax-relocations=", "-mx86-used-note=",
    "--compress-debug-sections=", "--generate-missing-build-notes=", "-malign-branch-boundary=", "-malign-branch=",
};
// cc1 and LLVM options that read and write nothing and do not let other words in.
constexpr std::string_view kClangFlags[] = {
    "-disable-O0-optnone", "-disable-llvm-passes", "-opaque-pointers", "-no-opaque-pointers", "-fmerge-functions",
    "-relaxed-aliasing", "-fallow-half-arguments-and-returns", "-fnative-half-type", "-target-feature",
};
constexpr std::string_view kLlvmFlags[] = {
    "-enable-gvn-hoist", "-enable-gvn-sink", "-enable-unroll-and-jam", "-enable-dfa-jump-thread", "-asan-globals", "-asan-stack",
    "-sanitizer-coverage-prune-blocks",
};
constexpr std::string_view kLlvmValues[] = {
    "-inline-threshold=", "-inlinehint-threshold=", "-unroll-threshold=", "-instcombine-lower-dbg-declare=", "-stack-alignment=",
    "-split-threshold-for-reg-with-hint=", "-enable-dfa-jump-thread=", "-asan-stack=", "-asan-globals=", "-asan-mapping-offset=",
    "-asan-instrumentation-with-call-threshold=", "-sanitizer-coverage-prune-blocks=", "-hwasan-kernel-mem-intrinsic-prefix=",
    "-asan-kernel-mem-intrinsic-prefix=", "-aarch64-stack-hazard-size=", "-jump-threading-threshold=", "-import-instr-limit=",
    "-align-all-functions=", "-align-all-nofallthru-blocks=",
};

class Parser {
 public:
  Parser(Family family, std::string_view base, const std::vector<std::string>& args)
      : driver_(driver_of(base)), table_(family == Family::kGcc ? gcc_options() : clang_options()), args_(args), base_(base) {
    cmd_.family = family;
  }

  Command take() && { return std::move(cmd_); }

  // The positions of several sources, if each could be compiled by a command of its own: nothing but the sources tells these apart, neither -o nor words for
  // dependency files.
  std::vector<size_t> divide() {
    divides_ = true;
    while (at_ < args_.size() && ok()) word(args_[at_++]);
    const bool one_name = !cmd_.output.empty() || mf_ || wp_deps_ || !dep_targets_.empty();
    return ok() && !one_name && sources_.size() > 1 ? sources_ : std::vector<size_t>();
  }

  void parse() {
    if (base_.ends_with("-cl") || base_.ends_with("-cl.exe") || base_.ends_with("cpp")) {
      return refuse("compiler " + quoted_word(base_) + " takes other options");
    }
    auto header = [](const std::string& w) { return w.ends_with("c-header") || w.ends_with("c++-header"); };
    if (std::none_of(args_.begin(), args_.end(), ends_early) && std::none_of(args_.begin(), args_.end(), header)) return refuse("no -c: it links");
    while (at_ < args_.size() && ok()) word(args_[at_++]);
    if (ok()) finish();
  }

 private:
  bool ok() const { return cmd_.uncacheable.empty(); }
  void refuse(std::string why) {
    if (ok()) cmd_.uncacheable = std::move(why);
  }
  void refuse_option(std::string_view word, std::string_view phrase) {
    refuse("option " + quoted_word(word) + " " + std::string(phrase));
  }

  // Words that keep the driver from linking, or that name the reason for a refusal better than "it links" would.
  static bool ends_early(const std::string& word) {
    constexpr std::string_view kWords[] = {"-c", "-S", "-E", "-M", "-MM", "-v", "-###", "--version", "--help", "-help",
                                           "--target-help", "-fsyntax-only", "--analyze", "-", "--precompile"};
    return is_one_of(word, kWords) || word.starts_with("-print-") || word.starts_with("--print-") ||
           word.starts_with("-dump") || word.starts_with("--help=");
  }

  void key(std::string_view word) { cmd_.key_args.emplace_back(word); }
  void probe(std::string_view word) {
    cmd_.key_args.emplace_back(word);
    cmd_.probe_args.emplace_back(word);
  }

  void word(const std::string& text) {
    if (text.empty()) return refuse("an empty word");
    if (text.find('\0') != text.npos) return refuse("a word with a NUL byte");
    if (text == "-") return refuse("source is standard input");
    if (text[0] != '-' || only_files_) return source(text);
    if (text == "--") {
      if (cmd_.family == Family::kGcc) return refuse("unknown option --");
      only_files_ = true;
      return;
    }
    OptionMatch m = match_option(table_, text);
    if (m.act == Act::kUnknown) return refuse("unknown option " + quoted_word(text));
    if (m.act >= Act::kRefuseInfo) return refuse_option(text, refusal_phrase(m.act));
    std::string_view value = std::string_view(text).substr(m.name);
    bool separate = m.form == Form::kSeparate || (m.form == Form::kEither && value.empty());
    if (separate) {
      if (at_ == args_.size()) return refuse_option(text, "lacks its operand");
      value = args_[at_++];
      if (value.find('\0') != value.npos) return refuse("a word with a NUL byte");
      if (value.empty()) return refuse_option(text, "has an empty operand");
      if (value[0] == '@') return refuse("response file " + quoted_word(value) + " was not read");
    }
    option(m.act, text, value, separate);
  }

  // `text` is the word, `value` its operand: the rest of the word, or the next word if `separate`.
  void option(Act act, const std::string& text, std::string_view value, bool separate) {
    auto to_key = [&] {
      key(text);
      if (separate) key(value);
    };
    auto to_probe = [&] {
      probe(text);
      if (separate) probe(value);
    };
    switch (act) {
      case Act::kKey: return to_key();
      case Act::kProbe:
        if (text == "-ftrigraphs") cmd_.trigraphs = true;
        for (std::string_view name : {"-fsanitize", "-fdebug", "-fpseudo-probe"}) cmd_.columns_matter |= text.starts_with(name);
        return to_probe();
      case Act::kCwd:  // -flto and -fcoverage-mapping among them
        lto_ = lto_ || text.starts_with("-flto");
        cmd_.cwd_matters = cmd_.columns_matter = true;
        return to_probe();
      case Act::kIgnore: return;
      case Act::kCompile:
        compile_ = true;
        return;
      case Act::kAssembly:
        assembly_ = true;
        return;
      case Act::kOutput:
        if (!cmd_.output.empty()) return refuse("two -o");
        if (!is_regular_output(value)) return refuse("output is not a regular file: " + quoted_word(value));
        if (value.ends_with('/') || value.starts_with('-')) return refuse("output " + quoted_word(value) + " is no file name");
        cmd_.output = value;
        return;
      case Act::kLanguage:
        language(value);
        return to_probe();
      case Act::kStd:
        if (value.empty()) return refuse("unknown option " + text);
        if (!value.starts_with("gnu")) cmd_.trigraphs = true;
        return to_probe();
      case Act::kAnsi:
        cmd_.trigraphs = true;
        return to_probe();
      case Act::kTrigraphs:
        cmd_.trigraphs = true;
        return to_key();
      case Act::kQuote: return search(SearchDir::kQuote, text, value, separate);
      case Act::kBracket: return search(SearchDir::kBracket, text, value, separate);
      case Act::kSystem: return search(SearchDir::kSystem, text, value, separate);
      case Act::kAfter: return search(SearchDir::kAfter, text, value, separate);
      case Act::kInclude:
        cmd_.includes.emplace_back(value);
        return to_key();
      case Act::kImacros:
        cmd_.imacros.emplace_back(value);
        return to_key();
      case Act::kNostdinc:
        cmd_.nostdinc = true;
        return to_probe();
      case Act::kRoot:
        if (value.empty() || value[0] == '=' || value[0] == '-') return refuse_option(text, "has an operand that is not understood");
        if (value[0] != '/') cmd_.cwd_matters = cmd_.probe_cwd = true;
        return to_probe();
      case Act::kFile:
        if (value.empty()) return refuse_option(text, "lacks its operand");
        cmd_.input_files.emplace_back(value);
        return to_key();
      case Act::kDebug: return debug(text);
      case Act::kWarning: return warning(text, value);
      case Act::kPedantic:
        cmd_.warnings = true;
        return to_key();
      case Act::kNoWarnings:
        silenced_ = true;
        return to_key();
      case Act::kOptimize:
        // -ObjC and other words share the letter.
        if (!(value.empty() || is_one_of(value, kLevels) || value.find_first_not_of("0123456789") == value.npos)) {
          return refuse("unknown option " + quoted_word(text));
        }
        return to_probe();
      case Act::kMachine:
        if (text.find('=') != text.npos) {
          std::string_view setting = std::string_view(text).substr(text.find('=') + 1);
          if (setting.starts_with("native")) cmd_.native = true;
          if (setting == "help" || setting == "?" || setting == "list") return refuse_option(text, refusal_phrase(Act::kRefuseInfo));
        }
        return to_probe();
      case Act::kParam:
        if (value.find('=') == value.npos || value[0] == '-' || !only_chars(value, "-_=.")) {
          return refuse_option(text, "has an operand that is not understood");
        }
        return to_key();
      case Act::kTarget:
        // Windows: CodeView holds the name of the object file. Apple: a file in the SDK is read. Accelerators: libraries and other tools.
        for (std::string_view odd : {"msvc", "windows", "win32", "apple", "darwin", "nvptx", "amdgcn", "spir"}) {
          if (value.find(odd) != value.npos) return refuse_option(text, "is a target that is not supported");
        }
        return to_probe();
      case Act::kColor:
        cmd_.color_given = true;
        return to_key();
      case Act::kDiagnosticsFormat:
        if (is_one_of(value, cmd_.family == Family::kGcc ? kSarifOfGcc : kSarifOfClang)) {
          // Paths from the root, and gcc's has whole texts in it.
          cmd_.sarif = cmd_.cwd_matters = cmd_.columns_matter = true;
          if (value == "sarif-file") beside("sarif", ".sarif");
          return to_key();
        }
        if (!is_one_of(value, kTextFormats)) return refuse_option(text, "may write files");
        return to_key();
      case Act::kCharset: return charset(text, value);
      case Act::kBlockSections:
        if (value != "all" && value != "labels" && value != "none") return refuse_option(text, refusal_phrase(Act::kRefuseReads));
        return to_probe();
      case Act::kVerboseAsm:
        verbose_asm_ = true;
        return to_probe();
      case Act::kMD:
        md_ = true;
        return;
      case Act::kMMD:
        mmd_ = true;
        return;
      case Act::kMP:
        cmd_.dep_phony = true;
        dep_words_ = true;
        return;
      case Act::kMF:
        dep_words_ = true;
        mf_ = true;
        return dep_file(value);
      case Act::kMT:
      case Act::kMQ:
        dep_words_ = true;
        dep_targets_ += '\0';
        dep_targets_ += act == Act::kMT ? 'T' : 'Q';
        dep_targets_ += value;
        return;
      // No words of the probe, which would leave these files itself.
      case Act::kArcs:
      case Act::kNotes:
      case Act::kCoverage:
        coverage_ = true;
        if (act != Act::kArcs) beside("gcno", ".gcno");
        cmd_.cwd_matters = cmd_.columns_matter = cmd_.output_matters = true;
        return to_key();
      case Act::kStackUsage:
        beside("su", ".su", cmd_.family == Family::kClang);  // clang: none without a function
        return to_key();
      case Act::kCallGraph:
        if (cmd_.family == Family::kClang) return refuse("unknown option " + quoted_word(text));
        beside("ci", ".ci");
        return to_key();
      case Act::kTimeTrace:
        if (cmd_.family == Family::kGcc) return refuse("unknown option " + quoted_word(text));
        beside("timetrace", ".json");
        return to_key();
      case Act::kRecord:
        cmd_.columns_matter = true;
        beside("optrecord", cmd_.family == Family::kClang ? ".opt.yaml" : ".opt-record.json.gz");
        return to_key();
      case Act::kDwo:
        beside("dwo", ".dwo", cmd_.family == Family::kClang);  // clang: none without -g
        cmd_.runs_objcopy = cmd_.family == Family::kGcc;
        cmd_.cwd_matters = cmd_.columns_matter = cmd_.output_matters = true;
        return to_key();
      case Act::kModules:
        modules_ = text;
        return to_key();
      case Act::kModuleMapper:
        // Other forms are a socket, a program or descriptors.
        if (value.empty() || value.find_first_of("|<>@=:?") != value.npos) return refuse_option(text, "names no file that maps modules");
        if (!cmd_.module_mapper.empty()) return refuse("two -fmodule-mapper");
        cmd_.module_mapper = value;
        cmd_.input_files.emplace_back(value);
        return to_key();
      case Act::kDepsFormat:
        if (value != "p1689r5") return refuse("unknown option " + quoted_word(text));
        beside("ddi", ".ddi");
        cmd_.output_matters = true;  // which it names
        return to_key();
      case Act::kToAssembler: return to_assembler(text, value);
      case Act::kToPreprocessor: return to_preprocessor(text, value);
      case Act::kOneToAssembler: return passed_on(text, value, is_harmless_to_assembler(value));
      case Act::kOneToPreprocessor: return passed_on(text, value, is_macro(value));
      case Act::kToClang:
        if (value == "-emit-pch") {
          emits_precompiled_ = true;
          return to_key();
        }
        if (value == "-include" || value == "-include-pch") return include_by_cc1(text, value);
        if (value == "-fno-pch-timestamp") {
          cmd_.untimed = true;
          return to_key();
        }
        if (!is_one_of(value, kClangFlags)) return refuse("option -Xclang " + quoted_word(value) + " is not known to be harmless");
        if (value == "-target-feature") return target_feature(text, value);
        return to_probe();
      case Act::kIncludePch:
        precompiled(value);
        return to_key();
      case Act::kToLlvm: return to_llvm(text, value);
      default: return refuse("unknown option " + quoted_word(text));
    }
  }

  void source(const std::string& text) {
    if (text[0] == '@') return refuse("response file " + quoted_word(text) + " was not read");
    sources_.push_back(at_ - 1);
    if (have_source_) return divides_ ? void() : refuse("several sources");
    have_source_ = true;
    cmd_.source = text;
    if (!is_regular_output(text)) return refuse("source is not a regular file: " + quoted_word(text));
    if (text.ends_with('/')) return refuse("no source file: " + quoted_word(text));
    if (explicit_) {
      cmd_.language = language_;
      cmd_.language_explicit = true;
      return;
    }
    switch (source_by_suffix(text, &cmd_.language)) {
      case Source::kNone: return refuse("no source file: " + quoted_word(text));
      case Source::kHeader: return refuse("precompiled header from " + quoted_word(text));
      case Source::kModule: return refuse("module " + quoted_word(text));
      case Source::kObjC: return refuse("Objective-C source " + quoted_word(text));
      case Source::kLanguage: break;
    }
    if (cmd_.language != Language::kC && cmd_.language != Language::kCPreprocessed) return;
    if (driver_ == Driver::kUnknown) {
      return refuse("compiler name " + quoted_word(base_) + " does not tell the language of " + quoted_word(text));
    }
    if (driver_ == Driver::kCxx) cmd_.language = cmd_.language == Language::kC ? Language::kCxx : Language::kCxxPreprocessed;
  }

  void language(std::string_view name) {
    struct Row {
      std::string_view name;
      Language language;
    };
    static constexpr Row kLanguages[] = {
        {"c", Language::kC},
        {"c++", Language::kCxx},
        {"cpp-output", Language::kCPreprocessed},
        {"c++-cpp-output", Language::kCxxPreprocessed},
        {"assembler", Language::kAsm},
        {"assembler-with-cpp", Language::kAsmCpp},
    };
    if (have_source_) return refuse("option -x after the source");
    cmd_.makes_precompiled = false;
    if (name == "none") {
      explicit_ = false;
      return;
    }
    for (const Row& row : kLanguages) {
      if (row.name == name) {
        explicit_ = true;
        language_ = row.language;
        return;
      }
    }
    if (name == "c-header" || name == "c++-header") {
      explicit_ = cmd_.makes_precompiled = true;
      language_ = name == "c-header" ? Language::kC : Language::kCxx;
      return;
    }
    if (name == "c++-module" || name == "c++-module-cpp-output" || name == "c++-user-header" || name == "c++-system-header" || name == "pcm") return refuse("module by -x " + quoted_word(name));
    if (name.ends_with("-header")) return refuse("precompiled header by -x " + quoted_word(name));
    refuse("option -x " + quoted_word(name) + " is not supported");
  }

  void search(SearchDir::Kind kind, const std::string& text, std::string_view dir, bool separate) {
    if (dir.empty() || dir[0] == '-' || dir[0] == '=' || dir.starts_with("$SYSROOT") || dir.ends_with(".hmap")) {
      return refuse_option(separate ? text + " " + std::string(dir) : text, refusal_phrase(Act::kRefuseSearch));
    }
    cmd_.search_dirs.push_back({kind, std::string(dir)});
    key(text);
    if (separate) key(dir);
  }

  void debug(const std::string& text) {
    std::string_view level = std::string_view(text).substr(2);
    bool off = level == "0" || level == "gdb0" || level == "stabs0" || level.starts_with("no-") || level == "z" || level.starts_with("z=");
    if (!off) cmd_.cwd_matters = cmd_.columns_matter = true;
    if (level == "3" || level == "gdb3" || level == "stabs3") cmd_.debug_macros = true;
    probe(text);
  }

  void warning(const std::string& text, std::string_view name) {
    if (!name.starts_with("no-")) cmd_.warnings = true;
    if (name == "date-time" || name == "error=date-time" || name == "everything") cmd_.date_time_warning = true, no_date_time_ = false;
    if (name == "no-date-time" || name == "no-everything") cmd_.date_time_warning = false, no_date_time_ = true;
    key(text);
  }

  void charset(const std::string& text, std::string_view name) {
    static constexpr std::string_view kUtf8[] = {"UTF-8", "utf-8", "UTF8", "utf8"};
    // Those that the C library converts without loading a module. A source in another charset could not be scanned.
    static constexpr std::string_view kBuiltIn[] = {"ASCII", "ascii", "US-ASCII", "UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32",
                                                    "UTF-32LE", "UTF-32BE", "utf-16", "utf-32"};
    if (!is_one_of(name, kUtf8) && (text.starts_with("-finput") || !is_one_of(name, kBuiltIn))) {
      return refuse_option(text, "names a charset that is not supported");
    }
    key(text);
  }

  void dep_file(std::string_view path) {
    if (!is_regular_output(path)) return refuse("dependency file is not a regular file: " + quoted_word(path));
    if (path.starts_with('-') || path.ends_with('/') || path.empty()) return refuse("dependency file " + quoted_word(path) + " is no file name");
    cmd_.dep_file = path;  // the last one wins
  }

  static bool is_harmless_to_assembler(std::string_view word) {
    for (std::string_view name : kAssemblerValues) {
      std::string_view value = word.substr(std::min(name.size(), word.size()));
      if (word.starts_with(name) && !value.empty() && only_chars(value, "-_+.") && value != "native") return true;
    }
    return is_one_of(word, kAssemblerFlags);
  }
  static bool is_macro(std::string_view word) { return word.size() > 2 && (word.starts_with("-D") || word.starts_with("-U")); }

  // Every word of a list that has commas between them
  template <class F>
  static bool each_of(std::string_view list, F good) {
    for (size_t from = 0; from <= list.size();) {
      size_t comma = std::min(list.find(',', from), list.size());
      if (!good(list.substr(from, comma - from))) return false;
      from = comma + 1;
    }
    return true;
  }

  void to_assembler(const std::string& text, std::string_view list) {
    if (!each_of(list, is_harmless_to_assembler)) return refuse_option(text, "is not known to be harmless");
    key(text);
  }

  void to_preprocessor(const std::string& text, std::string_view list) {
    size_t comma = list.find(',');
    std::string_view first = list.substr(0, comma);
    if (first == "-MD" || first == "-MMD") {
      std::string_view path = comma == list.npos ? std::string_view() : list.substr(comma + 1);
      if (path.empty() || path.find(',') != path.npos) return refuse_option(text, "is not understood");
      if (wp_deps_) return refuse("two -Wp,-MD");
      wp_deps_ = true;
      (first == "-MD" ? md_by_wp_ : mmd_by_wp_) = true;
      return dep_file(path);
    }
    if (!each_of(list, is_macro)) return refuse_option(text, "is not understood");
    key(text);
  }

  // -Xpreprocessor WORD, -Xassembler WORD: one word, commas and all
  void passed_on(const std::string& text, std::string_view value, bool harmless) {
    if (!harmless) return refuse("option " + text + " " + quoted_word(value) + " is not known to be harmless");
    key(text);
    key(value);
  }

  // -Xclang -target-feature -Xclang +name
  void target_feature(const std::string& text, std::string_view value) {
    if (args_.size() - at_ < 2 || args_[at_] != "-Xclang" || !only_chars(args_[at_ + 1], "+-._") ||
        (args_[at_ + 1][0] != '+' && args_[at_ + 1][0] != '-')) {
      return refuse("option -Xclang " + std::string(value) + " is not understood");
    }
    for (std::string_view word : {std::string_view(text), value, std::string_view(args_[at_]), std::string_view(args_[at_ + 1])}) probe(word);
    at_ += 2;
  }

  void precompiled(std::string_view file) {
    if (!cmd_.precompiled.empty()) return refuse("two precompiled headers");
    cmd_.precompiled = file;
  }

  // -Xclang -include -Xclang FILE, as CMake has it
  void include_by_cc1(const std::string& text, std::string_view value) {
    if (args_.size() - at_ < 2 || args_[at_] != "-Xclang" || args_[at_ + 1].empty() || args_[at_ + 1][0] == '-' || args_[at_ + 1].find('\0') != std::string::npos) {
      return refuse("option -Xclang " + std::string(value) + " is not understood");
    }
    const std::string& file = args_[at_ + 1];
    if (value == "-include") cmd_.cc1_includes.push_back(file);
    else precompiled(file);
    for (std::string_view word : {std::string_view(text), value, std::string_view(args_[at_]), std::string_view(file)}) key(word);
    at_ += 2;
  }

  void to_llvm(const std::string& text, std::string_view value) {
    bool known = is_one_of(value, kLlvmFlags);
    for (std::string_view name : kLlvmValues) known |= value.starts_with(name) && only_chars(value.substr(name.size()), "-_.");
    if (!known) return refuse("option -mllvm " + quoted_word(value) + " is not known to be harmless");
    probe(text);
    probe(value);
  }

  void assembler() {
    if (assembly_) return refuse("option -S of an assembler source");
    if (!beside_.empty() || coverage_) return refuse("an option that leaves files beside the object, of an assembler source");
    if (cmd_.language == Language::kAsm && cmd_.deps != Command::kNone) return refuse("a dependency file of a source that is not preprocessed");
  }

  void beside(const char* role, const char* suffix, bool optional = false) {
    for (auto& f : beside_)
      if (f.role == role) return;
    beside_.push_back({role, suffix, optional});
  }

  // Names of what options leave beside the output, as both compilers make them (gcc 12, clang 14).
  void name_beside(std::string_view source_base) {
    if (beside_.empty() && !coverage_) return;
    if (lto_) return refuse("-flto with an option that leaves files beside the object: they come with the link");
    const bool seeded = std::any_of(cmd_.key_args.begin(), cmd_.key_args.end(), [](const std::string& w) { return w.starts_with("-frandom-seed"); });
    if (coverage_ && seeded && cmd_.family == Family::kGcc) return refuse("option -frandom-seed with coverage removes the .gcda");
    std::string_view base = base_of(cmd_.output);
    if (base[0] == '.') return refuse("names of what is left beside " + quoted_word(cmd_.output));
    for (auto& f : beside_) {
      std::string suffix = f.path;
      if (f.role == "optrecord" || f.role == "sarif") {
        const std::string option = f.role == "sarif" ? "option -fdiagnostics-format=sarif-file" : "option -fsave-optimization-record";
        if (cmd_.family == Family::kClang && !output_given_) return refuse(option + " without -o");
        if (cmd_.family == Family::kGcc) {
          const size_t dot = source_base.find_last_of('.');
          if (dot == source_base.npos) return refuse(option + " of a source without a suffix");
          suffix = std::string(source_base.substr(dot)) + suffix;
        }
      }
      if (f.role == "dwo" && assembly_) {
        if (cmd_.family == Family::kGcc) continue;
        return refuse("option -gsplit-dwarf with -S");
      }
      // gcc 14 leaves that one in the working directory, wherever the object goes.
      cmd_.outputs.push_back({f.role, with_suffix(f.role == "sarif" ? base : std::string_view(cmd_.output), suffix), f.optional});
    }
    for (size_t i = 0; i < cmd_.outputs.size(); i++)
      for (size_t k = 0; k <= i; k++)
        if (cmd_.outputs[i].path == cmd_.source || (k < i && cmd_.outputs[i].path == cmd_.outputs[k].path)) return refuse("two outputs have the name " + quoted_word(cmd_.outputs[i].path));
  }

  void finish() {
    if (!compile_ && !assembly_ && !cmd_.makes_precompiled) return refuse("no -c: it links");
    if (!have_source_) return refuse("no source file");
    if (assembly_ && verbose_asm_) return refuse("option -fverbose-asm with -S records the command line");

    std::string_view source_base = base_of(cmd_.source);
    if (cmd_.output.empty()) {
      if (source_base[0] == '.') return refuse("default name of the output of " + quoted_word(cmd_.source));
      cmd_.output = with_suffix(source_base, assembly_ ? ".s" : ".o");
      output_given_ = false;
    }
    if (cmd_.source == cmd_.output) return refuse("output is the source");
    if (!modules_.empty() && cmd_.module_mapper.empty()) return refuse_option(modules_, refusal_phrase(Act::kRefuseModules));
    cmd_.date_time_silenced = silenced_ || no_date_time_;
    if (cmd_.makes_precompiled) {
      if (assembly_ || !output_given_ || coverage_ || lto_ || !beside_.empty()) return refuse("precompiled header by other options than -c and -o");
      if (!cmd_.precompiled.empty()) return refuse("precompiled header that is made of another one");
      cmd_.cwd_matters = cmd_.columns_matter = true;
      cmd_.output_matters = cmd_.family == Family::kClang;  // its folder is in it
    } else if ((!cmd_.precompiled.empty() || !cmd_.cc1_includes.empty()) && !cmd_.reads_headers()) {
      return refuse("-include of a source that is not preprocessed");
    } else if (emits_precompiled_) {
      return refuse("precompiled header without -x c-header or c++-header");
    }
    cmd_.outputs.push_back({cmd_.makes_precompiled ? "pch" : assembly_ ? "assembly" : "object", cmd_.output});
    dependencies(source_base);
    name_beside(source_base);
    if (cmd_.is_assembler()) assembler();
  }

  void dependencies(std::string_view source_base) {
    if (!md_ && !mmd_ && !wp_deps_) {
      // gcc calls it an error, clang a word without use.
      if (dep_words_) refuse("options for a dependency file without -MD or -MMD");
      return;
    }
    if (wp_deps_ && (md_ || mmd_ || mf_)) return refuse("both -Wp,-MD and -MD or -MF");
    // gcc takes -MMD for both; clang too, but mentions the other in a warning.
    if (md_ && mmd_ && cmd_.family == Family::kClang) return refuse("both -MD and -MMD");
    cmd_.deps = mmd_ || mmd_by_wp_ ? Command::kMMD : Command::kMD;
    if (cmd_.dep_file.empty()) cmd_.dep_file = with_suffix(output_given_ ? std::string_view(cmd_.output) : source_base, ".d");
    if (cmd_.dep_file == cmd_.output || cmd_.dep_file == cmd_.source) return refuse("dependency file is the output or the source");
    cmd_.outputs.push_back({"depfile", cmd_.dep_file});

    cmd_.dep_target = cmd_.deps == Command::kMMD ? "MMD" : "MD";
    if (cmd_.dep_phony) cmd_.dep_target += std::string_view("\0P", 2);
    if (!dep_targets_.empty()) {
      cmd_.dep_target += dep_targets_;
    } else {
      // gcc's driver names the output; cc1, asked behind the driver's back, makes a name from the source.
      cmd_.dep_target += std::string_view("\0D", 2);
      bool by_output = output_given_ && !(wp_deps_ && cmd_.family == Family::kGcc);
      cmd_.dep_target += by_output ? cmd_.output : with_suffix(source_base, ".o");
    }
  }

  static constexpr std::string_view kLevels[] = {"s", "g", "z", "fast"};
  static constexpr std::string_view kTextFormats[] = {"text", "clang", "msvc", "vi", "json", "json-stderr"};
  static constexpr std::string_view kSarifOfGcc[] = {"sarif-file", "sarif-stderr"}, kSarifOfClang[] = {"sarif", "SARIF"};

  Command cmd_;
  Driver driver_;
  const OptionTable& table_;
  const std::vector<std::string>& args_;
  std::string_view base_;
  size_t at_ = 0;
  bool only_files_ = false, have_source_ = false, divides_ = false;
  std::vector<size_t> sources_;
  bool compile_ = false, assembly_ = false, verbose_asm_ = false, output_given_ = true, coverage_ = false, lto_ = false;
  std::vector<CommandOutput> beside_;  // with the suffix for a path
  std::string modules_;  // -fmodules-ts or its newer name
  bool silenced_ = false, no_date_time_ = false;
  bool explicit_ = false, emits_precompiled_ = false;
  Language language_ = Language::kC;
  bool md_ = false, mmd_ = false, mf_ = false, dep_words_ = false;
  bool wp_deps_ = false, md_by_wp_ = false, mmd_by_wp_ = false;
  std::string dep_targets_;  // NUL and T or Q before each
};

}  // namespace

Command parse_command(Family family, std::string_view compiler_base, const std::vector<std::string>& args) {
  Parser parser(family, compiler_base, args);
  parser.parse();
  return std::move(parser).take();
}

std::vector<std::vector<std::string>> divide_command(Family family, std::string_view compiler_base, const std::vector<std::string>& args,
                                                     const std::function<bool(const std::string&)>& exists) {
  // What the driver itself says, it says once: gcc of these words, and clang, where that is an error, before it compiles anything.
  auto told_once = [&](const std::string& w) {
    return family == Family::kClang ? w.starts_with("-Werror") : w.starts_with("-mcpu=") || w == "-mintel-syntax" || w == "-mno-intel-syntax" || w == "-msse5";
  };
  if (std::any_of(args.begin(), args.end(), told_once)) return {};
  const std::vector<size_t> sources = Parser(family, compiler_base, args).divide();
  std::vector<std::vector<std::string>> parts;
  std::set<std::string> written, read;
  Language language = Language::kC;
  for (size_t source : sources) {
    std::vector<std::string> words;
    // clang's driver complains of words without a use once for all sources.
    if (family == Family::kClang && !parts.empty()) words.emplace_back("-Qunused-arguments");
    for (size_t i = 0; i < args.size(); i++)
      if (i == source || std::find(sources.begin(), sources.end(), i) == sources.end()) words.push_back(args[i]);
    const Command c = parse_command(family, compiler_base, words);
    if (!c.uncacheable.empty() || !exists(c.source)) return {};  // clang's driver misses it before it begins
    if (family == Family::kClang && !parts.empty() && c.language != language) return {};  // what has no use for one may have one for another
    language = c.language;
    if (family == Family::kClang && language == Language::kCxx && c.source.ends_with(".c")) return {};  // it says of all at its begin that this is deprecated
    read.insert(c.source);
    for (auto& output : c.outputs)
      if (!written.insert(output.path).second) return {};
    parts.push_back(std::move(words));
  }
  for (auto& path : written)
    if (read.count(path)) return {};
  return parts;
}

}  // namespace cchain
