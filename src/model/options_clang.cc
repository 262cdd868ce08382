// clang: its option tables.
// SPDX-License-Identifier: Apache-2.0
#include "model/options.h"

namespace cchain {
namespace {

// Steer code generation, the language or the optimizers; read and write nothing. From `clang --help-hidden`, `-cc1 --help` and
// `--autocomplete=-f` of clang 14, each one run there under strace (no other file opened, none left, the same object in another folder),
// with two exceptions that the probe's cc1 line shows: -fno-integrated-as runs `as`, -fsanitize= reads lists in the resource directory
// (-fsanitize-system-ignorelist=). Those of clang 15 to 20 as documented. Other front ends, modules, profiles, dumps and offloading are
// left out.
constexpr char kF[] =
    "PIC PIE aapcs-bitfield-load aapcs-bitfield-width access-control addrsig align-functions align-functions= "
    "align-jumps align-jumps= align-labels align-labels= align-loops align-loops= aligned-allocation aligned-new "
    "allow-editor-placeholders allow-unsupported altivec altivec-src-compat= apple-pragma-pack "
    "application-extension approx-func asm asm-blocks associative-math assume-nothrow-exception-dtor "
    "assume-sane-operator-new assume-unique-vtables async-exceptions asynchronous-unwind-tables "
    "atomic-fine-grained-memory atomic-ignore-denormal-mode atomic-remote-memory autolink "
    "bfloat16-excess-precision= binutils-version= blocks borland-extensions bracket-depth= builtin c++-abi= "
    "c++-static-destructors caller-saves cf-protection cf-protection= cf-runtime-abi= char8_t check-new "
    "clang-abi-compat= comment-block-commands= common complete-member-pointers complex-arithmetic= conserve-stack "
    "constant-cfstrings constant-string-class= constexpr-depth= constexpr-steps= convergent-functions "
    "coro-aligned-allocation coroutines-ts cprop-registers cx-fortran-rules cx-limited-range cxx-exceptions "
    "data-sections debug-default-version= debug-info-for-profiling debug-ranges-base-address debug-types-section "
    "declspec default-inline defer-pop defer-ts define-target-os-macros delayed-template-parsing "
    "delete-null-pointer-checks denormal-fp-math= digraphs direct-access-external-data discard-value-names "
    "dollars-in-identifiers double-square-bracket-attributes dse dwarf-directory-asm dwarf-exceptions "
    "elide-constructors eliminate-unused-debug-symbols eliminate-unused-debug-types emit-all-decls emulated-tls "
    "enable-matrix escaping-block-tail-calls exceptions excess-precision= expensive-optimizations experimental-isel "
    "experimental-library experimental-new-constant-interpreter experimental-new-pass-manager "
    "experimental-relative-c++-abi-vtables experimental-sanitize-metadata= experimental-strict-floating-point "
    "extend-arguments= extend-lifetimes extend-this-ptr extend-variable-liveness extend-variable-liveness= "
    "fast-math fat-lto-objects file-reproducible fine-grained-bitfield-accesses finite-loops finite-math-only "
    "float-store float16-excess-precision= for-scope force-dwarf-frame force-emit-vtables force-enable-int128 "
    "fp-contract= fp-eval-method= fp-exception-behavior= fp-model= freestanding fuchsia-api-level= function-cse "
    "function-sections gcse global-isel gnu-inline-asm gnu-keywords gnu-runtime gnu89-inline gnuc-version= "
    "honor-infinities honor-nans hosted ident ignore-exceptions implement-inlines implicit-templates inline "
    "inline-functions inline-hint-functions inline-limit= instrument-function-entry-bare instrument-functions "
    "instrument-functions-after-inlining integrated-as ivopts jump-tables keep-static-consts lax-vector-conversions "
    "lax-vector-conversions= legacy-pass-manager lifetime-dse limited-precision= lto-jobs= math-errno max-tokens= "
    "max-type-align= memory-profile memory-profile= merge-all-constants merge-constants modulo-sched "
    "modulo-sched-allow-regmoves ms-compatibility ms-compatibility-version= ms-define-stdc ms-extensions "
    "ms-hotpatch ms-memptr-rep= ms-tls-guards ms-volatile msc-version= mudflap mudflapth nested-functions "
    "new-alignment= new-infallible next-runtime no-auto-profile no-coverage-mapping no-cxx-modules no-debug-macro "
    "no-implicit-module-maps no-implicit-modules no-lto no-modules no-modules-ts no-offload-lto no-profile-arcs "
    "no-profile-generate no-profile-instr-generate no-profile-instr-use no-profile-sample-use "
    "no-record-command-line no-record-gcc-switches no-rtlib-add-rpath no-sanitize-blacklist no-sanitize-ignorelist "
    "no-save-optimization-record no-stack-usage no-sycl no-test-coverage no-working-directory objc-abi-version= "
    "objc-arc objc-arc-exceptions objc-convert-messages-to-runtime-calls objc-encode-cxx-class-template-spec "
    "objc-exceptions objc-infer-related-result-type objc-legacy-dispatch objc-link-runtime objc-nonfragile-abi "
    "objc-nonfragile-abi-version= objc-runtime= objc-weak omit-frame-pointer openmp "
    "openmp-assume-teams-oversubscription openmp-assume-threads-oversubscription openmp-enable-irbuilder "
    "openmp-extensions openmp-implicit-rpath openmp-optimistic-collapse openmp-simd openmp-use-tls openmp-version= "
    "openmp= operator-arrow-depth= operator-names optimize-sibling-calls order-file-instrumentation pack-struct "
    "pack-struct= parse-all-comments partial-inlining pascal-strings patchable-function-entry= pcc-struct-return "
    "peel-loops permissive pic pie plt pointer-tbaa prefetch-loop-arrays preserve-as-comments protect-parens "
    "pseudo-probe-for-profiling raw-string-literals reciprocal-math reg-struct-return "
    "register-global-dtors-with-atexit relaxed-template-template-args rename-registers reorder-blocks "
    "reorder-functions reroll-loops retain-comments-from-system-headers ropi rounding-math rtlib-add-rpath rtti "
    "rtti-data rwpi sanitize-address-destructor= sanitize-address-field-padding= "
    "sanitize-address-globals-dead-stripping sanitize-address-outline-instrumentation "
    "sanitize-address-poison-custom-array-cookie sanitize-address-use-after-return "
    "sanitize-address-use-after-return= sanitize-address-use-after-scope sanitize-address-use-odr-indicator "
    "sanitize-annotate-debug-info sanitize-cfi-canonical-jump-tables sanitize-cfi-cross-dso "
    "sanitize-cfi-icall-experimental-normalize-integers sanitize-cfi-icall-generalize-pointers sanitize-coverage= "
    "sanitize-hwaddress-abi= sanitize-hwaddress-experimental-aliasing sanitize-kcfi-arity sanitize-link-c++-runtime "
    "sanitize-link-runtime sanitize-memory-param-retval sanitize-memory-track-origins "
    "sanitize-memory-track-origins= sanitize-memory-use-after-dtor sanitize-merge sanitize-merge= "
    "sanitize-minimal-runtime sanitize-recover sanitize-recover= sanitize-skip-hot-cutoff= sanitize-stable-abi "
    "sanitize-thread-atomics sanitize-thread-func-entry-exit sanitize-thread-memory-access sanitize-trap "
    "sanitize-trap= sanitize-undefined-strip-path-components= sanitize-undefined-trap-on-error sanitize= "
    "schedule-insns schedule-insns2 seh-exceptions semantic-interposition short-enums short-wchar signaling-math "
    "signaling-nans signed-bitfields signed-char signed-zeros sized-deallocation sjlj-exceptions slp-vectorize "
    "split-dwarf-inlining split-lto-unit split-machine-functions split-stack stack-check stack-clash-protection "
    "stack-protector stack-protector-all stack-protector-strong stack-size-section standalone-debug stdarg-opt "
    "strength-reduce strict-aliasing strict-enums strict-flex-arrays= strict-float-cast-overflow strict-overflow "
    "strict-return strict-vtable-pointers struct-path-tbaa swift-async-fp= template-depth= threadsafe-statics "
    "tls-model= tracer trap-function= trapping-math trapv trapv-handler= tree-dce tree-loop-vectorize tree-pre "
    "tree-slp-vectorize tree-vectorize trigraphs trivial-auto-var-init-stop-after= trivial-auto-var-init= "
    "unique-basic-block-section-names unique-internal-linkage-names unique-section-names unique-source-file-names "
    "unit-at-a-time unroll-all-loops unroll-loops unsafe-loop-optimizations unsafe-math-optimizations "
    "unsigned-bitfields unsigned-char unswitch-loops unwind-tables use-cxa-atexit use-init-array "
    "use-line-directives veclib= vectorize virtual-function-elimination visibility-dllexport= "
    "visibility-externs-dllimport= visibility-externs-nodllstorageclass= visibility-from-dllstorageclass "
    "visibility-global-new-delete-hidden visibility-global-new-delete= visibility-inlines-hidden "
    "visibility-inlines-hidden-static-local-var visibility-ms-compat visibility-nodllstorageclass= visibility= "
    "wasm-exceptions weak web whole-program whole-program-vtables wrapv wrapv-pointer writable-strings "
    "xray-function-groups= xray-function-index xray-ignore-loops xray-instruction-threshold= xray-instrument "
    "xray-instrumentation-bundle= xray-link-deps xray-modes= xray-selected-function-group= zero-call-used-regs= "
    "zero-initialized-in-bss zvector ";
constexpr auto kFIndex = index_words<count_words(kF)>(kF);
constexpr WordList kFList{kF, kFIndex.data(), count_words(kF)};
static_assert(words_sorted(kFList));

// Steer diagnostics or rewrite paths in the output; nothing that a probe would see.
constexpr char kFQuiet[] =
    "ansi-escape-codes caret-diagnostics caret-diagnostics-max-lines= constexpr-backtrace-limit= "
    "coverage-prefix-map= crash-diagnostics-dir= crash-diagnostics= debug-prefix-map= diagnostics-fixit-info "
    "diagnostics-hotness-threshold= diagnostics-misexpect-tolerance= diagnostics-parseable-fixits "
    "diagnostics-print-source-range-info diagnostics-show-category= diagnostics-show-hotness "
    "diagnostics-show-inclusion-stack diagnostics-show-line-numbers diagnostics-show-note-include-stack "
    "diagnostics-show-option diagnostics-show-template-tree elide-type error-limit= file-prefix-map= "
    "macro-backtrace-limit= macro-prefix-map= max-errors= message-length= no-crash-diagnostics "
    "pch-instantiate-templates pch-validate-input-files-content random-seed= show-column show-overloads= "
    "show-source-location spell-checking spell-checking-limit= tabstop= "
    "template-backtrace-limit= ";
constexpr auto kFQuietIndex = index_words<count_words(kFQuiet)>(kFQuiet);
constexpr WordList kFQuietList{kFQuiet, kFQuietIndex.data(), count_words(kFQuiet)};
static_assert(words_sorted(kFQuietList));

// Target options: `clang --autocomplete=-m` of clang 14, those of x86 run; the others, and what 15 to 20 added, as documented.
constexpr char kM[] =
    "16 32 3dnow 3dnowa 64 68000 68010 68020 68030 68040 68060 abi= abicalls abs= adx aes aix-struct-return "
    "align-branch-boundary= align-branch= align-double altivec amdgpu-ieee amx-avx512 amx-bf16 amx-complex amx-fp16 "
    "amx-fp8 amx-int8 amx-movrs amx-tf32 amx-tile amx-transpose annotate-tablejump apx-features= "
    "apx-inline-asm-use-gpr32 apxf arch= arm asm= atomics avx avx10.1 avx10.1-256 avx10.1-512 avx10.2 avx10.2-256 "
    "avx10.2-512 avx2 avx512bf16 avx512bitalg avx512bw avx512cd avx512dq avx512er avx512f avx512fp16 avx512ifma "
    "avx512pf avx512vbmi avx512vbmi2 avx512vl avx512vnni avx512vp2intersect avx512vpopcntdq avxifma avxneconvert "
    "avxvnni avxvnniint16 avxvnniint8 backchain big-endian bmi bmi2 branch-likely branch-protection= "
    "branches-within-32B-boundaries bti-at-return-twice bulk-memory check-zero-division cldemote clflushopt clwb "
    "clzero cmodel= cmpb cmpccxadd cmse compact-branches= console constant-cfstrings cpu= crbits crc crc32 crypto "
    "cumode cx16 daz-ftz default-build-attributes direct-move div32 dll double-float double= dsp dspr2 "
    "dynamic-no-pic eabi efpu2 embedded-data enable-experimental-extensions enable-unsafe-fp-math enqcmd evex512 "
    "exception-handling execute-only extern-sdata f16c fentry fix-cmse-cve-2021-35465 fix-cortex-a53-835769 "
    "fix-cortex-a53-843419 fix-cortex-a57-aes-1742098 fix-cortex-a72-aes-1655431 fix4300 float-abi= float128 fma "
    "fma4 fp32 fp64 fpmath= fprnd fpu= fpxx frecipe fsgsbase function-return= fxsr gather general-regs-only gfni "
    "ginv glibc global-merge gpopt hard-float harden-sls= hreset htm hvx-ieee-fp hvx-length= hvx-qfloat hvx= hwdiv= "
    "hwmult= iamcu ibt-seal ieee-rnd-near ignore-xcoff-visibility implicit-float implicit-it= "
    "indirect-branch-cs-prefix indirect-jump= invariant-function-descriptors invpcid ios-version-min= "
    "iphoneos-version-min= ips1 ips16 ips2 ips3 ips32 ips32r2 ips32r3 ips32r5 ips32r6 ips4 ips5 ips64 ips64r2 "
    "ips64r3 ips64r5 ips64r6 isel kernel kl lam-bh lamcas large-data-threshold= lasx ld-seq-sa ldc1-sdc1 "
    "little-endian local-sdata long-calls long-double-128 long-double-64 long-double-80 longcall lsx lvi-cfi "
    "lvi-hardening lwp lzcnt macos-version-min= macosx-version-min= madd4 mark-bti-property memops mfocrf micromips "
    "mma mmx movbe movdir64b movdiri movrs movt ms-bitfields msa mt multivalue mutable-globals mwaitx nan= "
    "neg-immediates no-mips16 nocrc nontrapping-fptoint nop-mcount nvj nvs odd-spreg omit-leaf-frame-pointer "
    "outline outline-atomics packed-stack packets pad-max-prefix-size= paired-vector-memops pclmul pconfig pcrel "
    "pku popcnt popcntd power10-vector power8-vector power9-vector prefer-vector-width= prefetchi prefetchwt1 "
    "prefixed prfchw privileged ptwrite qdsp6-compat raoint rdpid rdrnd rdseed recip recip= record-mcount red-zone "
    "reference-types regnames regparm= relax relax-all relax-pic-calls relaxed-simd restrict-it retpoline "
    "retpoline-external-thunk rop-protect rtd rtm rvv-vector-bits= sahf save-restore scalar-strict-align scatter "
    "scq secure-plt serialize seses sgx sha sha512 shstk sign-ext sign-return-address= simd128 simd= single-float "
    "skip-rax-setup sm3 sm4 small-data-limit= small-data-threshold= soft-float spe speculative-load-hardening sse "
    "sse2 sse3 sse4 sse4.1 sse4.2 sse4a ssse3 stack-alignment= stack-arg-probe stack-probe-size= "
    "stack-protector-guard-offset= stack-protector-guard-reg= stack-protector-guard-symbol= stack-protector-guard= "
    "stackrealign strict-align sve-vector-bits= svr4-struct-return tail-call targetos= tbm tgsplit threads thumb "
    "tls-dialect= tls-direct-seg-refs tls-size= tocdata tocdata= tp= tsxldtrk tune= tvos-version-min= uclibc uintr "
    "unaligned-access unaligned-symbols unicode unsafe-fp-atomics usermsr v5 v55 v60 v62 v65 v66 v67 v67t v68 v69 "
    "vaes vector-strict-align virt vpclmulqdq vscale-max= vscale-min= vsx vx vzeroupper waitpkg "
    "watchos-version-min= wavefrontsize64 wbnoinvd widekl windows x32 x87 xcoff-build-id= xcoff-roptr xgot xop "
    "xsave xsavec xsaveopt xsaves ";
constexpr auto kMIndex = index_words<count_words(kM)>(kM);
constexpr WordList kMList{kM, kMIndex.data(), count_words(kM)};
static_assert(words_sorted(kMList));

// Debug information; -g alone is known to the parser.
constexpr char kG[] =
    "0 1 2 3 column-info dbx dwarf dwarf-2 dwarf-3 dwarf-4 dwarf-5 dwarf-aranges dwarf32 dwarf64 embed-source full "
    "gdb gdb0 gdb1 gdb2 gdb3 gnu-pubnames inline-line-tables key-instructions line-directives-only line-tables-only "
    "lldb mlt no-column-info no-embed-source no-gnu-pubnames no-inline-line-tables no-key-instructions "
    "no-omit-unreferenced-methods no-pubnames no-record-command-line no-record-gcc-switches "
    "no-simple-template-names no-split-dwarf no-strict-dwarf no-template-alias omit-unreferenced-methods pubnames "
    "sce simple-template-names simple-template-names= src-hash= strict-dwarf template-alias used z z= ";
constexpr auto kGIndex = index_words<count_words(kG)>(kG);
constexpr WordList kGList{kG, kGIndex.data(), count_words(kG)};
static_assert(words_sorted(kGList));

constexpr OptionRow kRows[] = {
    {"--analyze", Form::kFlag, Act::kRefuseIr},
    {"--config", Form::kOptional, Act::kRefuseDriver},
    {"--cuda", Form::kOptional, Act::kRefuseOffload},
    {"--driver-mode=", Form::kOptional, Act::kRefuseDriver},
    {"--end-no-unused-arguments", Form::kFlag, Act::kKey},
    {"--gcc-install-dir", Form::kSeparate, Act::kRoot},
    {"--gcc-install-dir=", Form::kJoined, Act::kRoot},
    {"--gcc-toolchain=", Form::kJoined, Act::kRoot},
    {"--gcc-triple=", Form::kJoined, Act::kProbe},
    {"--no-default-config", Form::kFlag, Act::kProbe},
    {"--offload", Form::kOptional, Act::kRefuseOffload},
    {"--precompile", Form::kFlag, Act::kRefuseModules},
    {"--rsp-quoting=", Form::kOptional, Act::kRefuseDriver},
    {"--rtlib=", Form::kJoined, Act::kProbe},
    {"--serialize-diagnostics", Form::kOptional, Act::kRefuseWrites},
    {"--start-no-unused-arguments", Form::kFlag, Act::kKey},
    {"--stdlib=", Form::kJoined, Act::kProbe},
    {"--target=", Form::kJoined, Act::kTarget},
    {"--unwindlib=", Form::kJoined, Act::kProbe},
    {"--via-file-asm", Form::kOptional, Act::kRefuseDriver},
    {"--warning-suppression-mappings=", Form::kOptional, Act::kRefuseReads},
    {"-Qn", Form::kFlag, Act::kProbe},
    {"-Qunused-arguments", Form::kFlag, Act::kKey},
    {"-Qy", Form::kFlag, Act::kProbe},
    {"-Rpass-analysis=", Form::kJoined, Act::kKey},
    {"-Rpass-missed=", Form::kJoined, Act::kKey},
    {"-Rpass=", Form::kJoined, Act::kKey},
    {"-Xarch_device", Form::kSeparate, Act::kRefusePassOn},
    {"-Xarch_host", Form::kSeparate, Act::kRefusePassOn},
    {"-Xclang", Form::kSeparate, Act::kToClang},
    {"-Xcuda-fatbinary", Form::kSeparate, Act::kRefusePassOn},
    {"-Xcuda-ptxas", Form::kSeparate, Act::kRefusePassOn},
    {"-Xopenmp-target", Form::kSeparate, Act::kRefusePassOn},
    {"-canonical-prefixes", Form::kFlag, Act::kProbe},
    {"-ccc-", Form::kOptional, Act::kRefuseDriver},
    {"-cxx-isystem", Form::kOptional, Act::kRefuseSearch},
    {"-dependency-dot", Form::kOptional, Act::kRefuseWrites},
    {"-dependency-file", Form::kOptional, Act::kRefuseWrites},
    {"-emit-ast", Form::kFlag, Act::kRefuseIr},
    {"-emit-interface-stubs", Form::kFlag, Act::kRefuseIr},
    {"-emit-llvm", Form::kFlag, Act::kRefuseIr},
    {"-extract-api", Form::kFlag, Act::kRefuseIr},
    {"-fbasic-block-sections=", Form::kJoined, Act::kBlockSections},
    {"-fcoverage-compilation-dir=", Form::kJoined, Act::kCwd},
    {"-fcoverage-mapping", Form::kFlag, Act::kCwd},
    {"-fcoverage-mcdc", Form::kFlag, Act::kCwd},
    {"-fdebug-compilation-dir=", Form::kJoined, Act::kCwd},
    {"-fdiagnostics-absolute-paths", Form::kFlag, Act::kCwd},
    {"-fembed-offload-object=", Form::kOptional, Act::kRefuseOffload},
    {"-ffile-compilation-dir=", Form::kJoined, Act::kCwd},
    {"-fprofile-instr-generate", Form::kFlag, Act::kCwd},
    {"-fprofile-instr-generate=", Form::kJoined, Act::kCwd},
    {"-fprofile-list=", Form::kJoined, Act::kFile},
    {"-fsanitize-blacklist=", Form::kJoined, Act::kFile},
    {"-fsanitize-coverage-allowlist=", Form::kJoined, Act::kFile},
    {"-fsanitize-coverage-blacklist=", Form::kJoined, Act::kFile},
    {"-fsanitize-coverage-ignorelist=", Form::kJoined, Act::kFile},
    {"-fsanitize-coverage-whitelist=", Form::kJoined, Act::kFile},
    {"-fsanitize-ignorelist=", Form::kJoined, Act::kFile},
    {"-fsanitize-stats", Form::kFlag, Act::kRefuseMoreFiles},
    {"-fsanitize-system-blacklist=", Form::kJoined, Act::kFile},
    {"-fsanitize-system-ignorelist=", Form::kJoined, Act::kFile},
    {"-fsycl", Form::kOptional, Act::kRefuseOffload},
    {"-fxray-always-instrument=", Form::kJoined, Act::kFile},
    {"-fxray-attr-list=", Form::kJoined, Act::kFile},
    {"-fxray-never-instrument=", Form::kJoined, Act::kFile},
    {"-gcc-toolchain", Form::kSeparate, Act::kRoot},
    {"-gcodeview", Form::kOptional, Act::kRefuseDriver},
    {"-gen-cdb-fragment-path", Form::kOptional, Act::kRefuseWrites},
    {"-gen-reproducer", Form::kOptional, Act::kRefuseDriver},
    {"-grecord-command-line", Form::kFlag, Act::kRefuseRecords},
    {"-grecord-gcc-switches", Form::kFlag, Act::kRefuseRecords},
    {"-ibuiltininc", Form::kOptional, Act::kRefuseSearch},
    {"-iframeworkwithsysroot", Form::kOptional, Act::kRefuseSearch},
    {"-include-pch", Form::kSeparate, Act::kIncludePch},
    {"-index-header-map", Form::kOptional, Act::kRefuseSearch},
    {"-index-store-path", Form::kOptional, Act::kRefuseWrites},
    {"-integrated-as", Form::kFlag, Act::kProbe},
    {"-mlinker-version=", Form::kJoined, Act::kProbe},
    {"-mllvm", Form::kSeparate, Act::kToLlvm},
    {"-module-dependency-dir", Form::kOptional, Act::kRefuseWrites},
    {"-module-file-info", Form::kFlag, Act::kRefuseModules},
    {"-mthread-model", Form::kSeparate, Act::kProbe},
    {"-no-integrated-as", Form::kFlag, Act::kProbe},
    {"-no-pedantic", Form::kFlag, Act::kKey},
    {"-no-pthread", Form::kFlag, Act::kKey},
    {"-nobuiltininc", Form::kFlag, Act::kNostdinc},
    {"-nostdlibinc", Form::kFlag, Act::kNostdinc},
    {"-resource-dir", Form::kSeparate, Act::kRoot},
    {"-resource-dir=", Form::kJoined, Act::kRoot},
    {"-rewrite-objc", Form::kFlag, Act::kRefuseIr},
    {"-rtlib=", Form::kJoined, Act::kProbe},
    {"-serialize-diagnostics", Form::kOptional, Act::kRefuseWrites},
    {"-shared-libsan", Form::kFlag, Act::kKey},
    {"-static-libsan", Form::kFlag, Act::kKey},
    {"-static-openmp", Form::kFlag, Act::kKey},
    {"-stdlib++-isystem", Form::kOptional, Act::kRefuseSearch},
    {"-stdlib=", Form::kJoined, Act::kProbe},
    {"-target", Form::kSeparate, Act::kTarget},
    {"-target=", Form::kJoined, Act::kTarget},
    {"-unwindlib=", Form::kJoined, Act::kProbe},
    {"-via-file-asm", Form::kOptional, Act::kRefuseDriver},
    {"-working-directory", Form::kOptional, Act::kRefuseDriver},
};
static_assert(rows_sorted(kRows));

constexpr OptionTable kTable{kFList, kFQuietList, kMList, kGList, kRows, std::size(kRows)};
}  // namespace

const OptionTable& clang_options() { return kTable; }

}  // namespace cchain
