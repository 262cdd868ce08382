// gcc: its option tables, and the rows that both families share.
// SPDX-License-Identifier: Apache-2.0
#include "model/options.h"

namespace cchain {
namespace {

// Steer code generation, the language or the optimizers; read and write nothing. From `gcc --help=…` and `cc1plus --help=…` of gcc 12.2, each
// one run there under strace (no other file opened, none left, the same object in another folder); those of gcc 13 to 15 as
// documented, not run.
// Options that other front ends own, that profile, dump, report or load are left out.
constexpr char kF[] =
    "PIC PIE abi-compat-version= abi-version abi-version= access-control aggressive-loop-optimizations "
    "align-functions align-functions= align-jumps align-jumps= align-labels align-labels= align-loops align-loops= "
    "aligned-new aligned-new= allocation-dce allow-parameterless-variadic-functions allow-store-data-races "
    "alt-external-templates analyzer analyzer-assume-nothrow analyzer-call-summaries analyzer-checker= "
    "analyzer-feasibility analyzer-fine-grained analyzer-infinite-recursion analyzer-show-duplicate-count "
    "analyzer-show-events-in-system-headers analyzer-state-merge analyzer-state-purge analyzer-suppress-followups "
    "analyzer-transitivity analyzer-undo-inlining analyzer-verbose-edges analyzer-verbose-state-changes "
    "analyzer-verbosity= argument-alias argument-noalias argument-noalias-anything argument-noalias-global "
    "asan-shadow-offset= asm associative-math assume-phsa assume-sane-operator-new-delete "
    "assume-sane-operators-new-delete asynchronous-unwind-tables auto-inc-dec avoid-store-forwarding bit-tests "
    "branch-count-reg branch-target-load-optimize branch-target-load-optimize2 btr-bb-exclusive builtin "
    "caller-saves canon-prefix-map canonical-system-headers cf-protection cf-protection= char8_t check-data-deps "
    "check-new checking checking= code-hoisting combine-stack-adjustments common compare-elim concepts concepts-ts "
    "cond-mismatch conserve-space conserve-stack constexpr-cache-depth= constexpr-depth= constexpr-fp-except "
    "constexpr-loop-limit= constexpr-ops-limit= contract-assumption-mode= contract-build-level= "
    "contract-continuation-mode= contract-mode= contract-role= contract-semantic= contract-strict-declarations= "
    "contracts coroutines cprop-registers crossjumping cse-follow-jumps cse-skip-blocks cx-fortran-rules "
    "cx-limited-range cx-method= data-sections dce debug-types-section declone-ctor-dtor deduce-init-list "
    "default-inline defer-pop delayed-branch delete-dead-exceptions delete-null-pointer-checks devirtualize "
    "devirtualize-at-ltrans devirtualize-speculatively dollars-in-identifiers dse dwarf2-cfi-asm early-inlining "
    "early-ra elide-constructors eliminate-dwarf2-dups eliminate-unused-debug-symbols eliminate-unused-debug-types "
    "emit-class-debug-always emit-struct-debug-baseonly emit-struct-debug-detailed= emit-struct-debug-reduced "
    "enforce-eh-specs enum-int-equiv exceptions excess-precision= expensive-optimizations ext-dce "
    "ext-numeric-literals extended-identifiers extern-tls-init external-templates fast-math fat-lto-objects "
    "finite-loops finite-math-only float-store fold-mem-offsets fold-simple-inlines for-scope force-addr "
    "forward-propagate fp-contract= fp-int-builtin-inexact freestanding friend-injection function-cse "
    "function-sections gcse gcse-after-reload gcse-las gcse-lm gcse-sm gnu-keywords gnu-tm gnu-unique gnu89-inline "
    "graphite graphite-identity guess-branch-probability guiding-decls hardcfr-check-exceptions "
    "hardcfr-check-noreturn-calls= hardcfr-check-returning-calls hardcfr-skip-leaf harden-compares "
    "harden-conditional-branches harden-control-flow-redundancy hardened hoist-adjacent-loads hosted ident "
    "if-conversion if-conversion2 immediate-escalation implement-inlines implicit-constexpr "
    "implicit-inline-templates implicit-templates indirect-inlining inhibit-size-directive inline inline-atomics "
    "inline-functions inline-functions-called-once inline-limit= inline-small-functions inline-stringops "
    "inline-stringops= instrument-functions instrument-functions-exclude-file-list= "
    "instrument-functions-exclude-function-list= instrument-functions-once ipa-bit-cp ipa-cp ipa-cp-alignment "
    "ipa-cp-clone ipa-icf ipa-icf-functions ipa-icf-variables ipa-matrix-reorg ipa-modref ipa-profile ipa-pta "
    "ipa-pure-const ipa-ra ipa-reference ipa-reference-addressable ipa-reorder-for-locality ipa-sra "
    "ipa-stack-alignment ipa-strict-aliasing ipa-struct-reorg ipa-vrp ira-algorithm= ira-hoist-pressure "
    "ira-loop-pressure ira-region= ira-share-save-slots ira-share-spill-slots isolate-erroneous-paths-attribute "
    "isolate-erroneous-paths-dereference ivopts jump-tables keep-gc-roots-live keep-inline-functions "
    "keep-static-consts keep-static-functions labels-ok large-source-files late-combine-instructions "
    "lax-vector-conversions leading-underscore lifetime-dse lifetime-dse= limit-function-alignment live-patching "
    "live-patching= live-range-shrinkage loop-block loop-flatten loop-interchange loop-nest-optimize loop-optimize "
    "loop-parallelize-all loop-strip-mine loop-unroll-and-jam lra-remat lto-compression-level= lto-odr-type-merging "
    "lto-partition= malloc-dce malloc-dce= math-errno merge-all-constants merge-constants merge-debug-strings "
    "min-function-alignment= modulo-sched modulo-sched-allow-regmoves move-loop-invariants move-loop-stores "
    "ms-extensions multiflags new-abi new-inheriting-ctors new-ttp-matching no-auto-profile no-branch-probabilities "
    "no-callgraph-info no-compare-debug no-lto no-mem-report no-modules no-modules-ts no-openacc no-profile "
    "no-profile-arcs no-profile-generate no-profile-use no-record-gcc-switches no-report-bug "
    "no-save-optimization-record no-stack-usage no-syntax-only no-test-coverage no-time-report no-vtable-verify "
    "no-working-directory non-call-exceptions nonansi-builtins nonnull-objects nothrow-opt omit-frame-pointer "
    "openmp openmp-simd openmp-target-simd-clone openmp-target-simd-clone= operator-names optimize-register-move "
    "optimize-sibling-calls optimize-strlen optional-diags pack-struct pack-struct= partial-inlining "
    "patchable-function-entry= pcc-struct-return peel-loops peephole peephole2 permissive "
    "permitted-flt-eval-methods= pic pie plan9-extensions plt predictive-commoning prefetch-loop-arrays "
    "printf-return-value range-for-ext-temps reciprocal-math ree reg-struct-return regmove rename-registers "
    "reorder-blocks reorder-blocks-algorithm= reorder-blocks-and-partition reorder-functions rerun-cse-after-loop "
    "rerun-loop-opt reschedule-modulo-scheduled-loops rounding-math rtti sanitize-address-use-after-scope "
    "sanitize-coverage= sanitize-recover sanitize-recover= sanitize-sections= sanitize-trap sanitize-trap= "
    "sanitize-undefined-trap-on-error sanitize= sched-critical-path-heuristic sched-dep-count-heuristic "
    "sched-group-heuristic sched-interblock sched-last-insn-heuristic sched-pressure sched-rank-heuristic "
    "sched-spec sched-spec-insn-heuristic sched-spec-load sched-spec-load-dangerous sched-stalled-insns "
    "sched-stalled-insns-dep sched-stalled-insns-dep= sched-stalled-insns= sched2-use-superblocks sched2-use-traces "
    "schedule-fusion schedule-insns schedule-insns2 section-anchors sel-sched-pipelining "
    "sel-sched-pipelining-outer-loops sel-sched-reschedule-pipelined selective-scheduling selective-scheduling2 "
    "semantic-interposition short-enums short-wchar shrink-wrap shrink-wrap-separate signaling-nans "
    "signed-bitfields signed-char signed-zeros simd-cost-model= single-precision-constant sized-deallocation "
    "speculatively-call-stored-functions split-ivs-in-unroller split-ldp-stp split-loops split-paths split-stack "
    "split-wide-types split-wide-types-early ssa-backprop ssa-phiopt sso-struct= stack-check stack-check= "
    "stack-clash-protection stack-limit stack-limit-register= stack-limit-symbol= stack-protector "
    "stack-protector-all stack-protector-explicit stack-protector-strong stack-reuse= stdarg-opt store-merging "
    "strength-reduce strict-aliasing strict-enums strict-flex-arrays strict-flex-arrays= strict-overflow "
    "strict-prototype strict-volatile-bitfields strong-eval-order strong-eval-order= strub= sync-libcalls "
    "template-depth= thread-jumps threadsafe-statics tls-model= tm-clone toplevel-reorder tracer "
    "track-macro-expansion track-macro-expansion= trampoline-impl= trampolines trapping-math trapv tree-bit-ccp "
    "tree-builtin-call-dce tree-ccp tree-ch tree-coalesce-inlined-vars tree-coalesce-vars tree-copy-prop "
    "tree-copyrename tree-cselim tree-dce tree-dominator-opts tree-dse tree-forwprop tree-fre "
    "tree-loop-distribute-patterns tree-loop-distribution tree-loop-if-convert tree-loop-if-convert-stores "
    "tree-loop-im tree-loop-ivcanon tree-loop-linear tree-loop-optimize tree-loop-vectorize tree-lrs "
    "tree-parallelize-loops= tree-partial-pre tree-phiprop tree-pre tree-pta tree-reassoc tree-salias "
    "tree-scev-cprop tree-sink tree-slp-vectorize tree-slsr tree-sra tree-store-ccp tree-store-copy-prop "
    "tree-switch-conversion tree-tail-merge tree-ter tree-vect-loop-version tree-vectorize tree-vrp "
    "trivial-auto-var-init= unconstrained-commons unit-at-a-time unreachable-traps unroll-all-loops "
    "unroll-completely-grow-size unroll-loops unsafe-loop-optimizations unsafe-math-optimizations "
    "unsigned-bitfields unsigned-char unswitch-loops unwind-tables use-cxa-atexit use-cxa-get-exception-ptr "
    "use-linker-plugin var-tracking var-tracking-assignments var-tracking-assignments-toggle var-tracking-uninit "
    "variable-expansion-in-unroller vect-cost-model vect-cost-model= version-loops-for-strides "
    "visibility-inlines-hidden visibility-ms-compat visibility= vpt vtable-gc vtable-thunks weak web whole-program "
    "wrapv wrapv-pointer zero-call-used-regs= zero-init-padding-bits= zero-initialized-in-bss ";
constexpr auto kFIndex = index_words<count_words(kF)>(kF);
constexpr WordList kFList{kF, kFIndex.data(), count_words(kF)};
static_assert(words_sorted(kFList));

// Steer diagnostics or rewrite paths in the output; nothing that a probe would see.
constexpr char kFQuiet[] =
    "concepts-diagnostics-depth= debug-prefix-map= diagnostics-all-candidates diagnostics-column-origin= "
    "diagnostics-column-unit= diagnostics-escape-format= diagnostics-generate-patch "
    "diagnostics-minimum-margin-width= diagnostics-parseable-fixits diagnostics-path-format= diagnostics-show-caret "
    "diagnostics-show-context diagnostics-show-context= diagnostics-show-cwe diagnostics-show-event-links "
    "diagnostics-show-highlight-colors diagnostics-show-labels diagnostics-show-line-numbers "
    "diagnostics-show-location= diagnostics-show-nesting diagnostics-show-nesting-levels "
    "diagnostics-show-nesting-locations diagnostics-show-option diagnostics-show-path-depths diagnostics-show-rules "
    "diagnostics-show-template-tree diagnostics-text-art-charset= diagnostics-urls= elide-type file-prefix-map= "
    "macro-prefix-map= max-errors= max-include-depth= message-length= pretty-templates profile-prefix-map= "
    "random-seed= show-column spell-checking tabstop= template-backtrace-limit= ";
constexpr auto kFQuietIndex = index_words<count_words(kFQuiet)>(kFQuiet);
constexpr WordList kFQuietList{kFQuiet, kFQuietIndex.data(), count_words(kFQuiet)};
static_assert(words_sorted(kFQuietList));

// Target options. x86: gcc 12.2 (`--help=target`), each one run. The newer x86 ones and those of aarch64, arm, riscv, mips, powerpc, s390,
// loongarch and sparc are listed as documented and were not run. Left out: what prints (-mdump-tune-features), what picks a specs file
// (-mmcu=).
constexpr char kM[] =
    "128bit-long-double 16 31 32 3dnow 3dnowa 64 80387 8bit-idiv 96bit-long-double abi= abicalls abm "
    "abort-on-noreturn abs= accumulate-outgoing-args address-mode= adjust-lmul-cost adx aes aix-struct-return "
    "align-data= align-double align-functions= align-jumps= align-loops= align-stringops allow-movmisalign altivec "
    "amx-avx512 amx-bf16 amx-complex amx-fp16 amx-fp8 amx-int8 amx-movrs amx-tf32 amx-tile amx-transpose android "
    "annotate-tablejump apcs apcs-frame app-regs apx-inline-asm-use-gpr32 apxf arch= arm asm-syntax-unified asm= "
    "avoid-indexed-addresses avx avx10.1 avx10.1-256 avx10.1-512 avx10.2 avx10.2-256 avx10.2-512 avx2 "
    "avx256-split-unaligned-load avx256-split-unaligned-store avx5124fmaps avx5124vnniw avx512bf16 avx512bitalg "
    "avx512bw avx512cd avx512dq avx512er avx512f avx512fp16 avx512ifma avx512pf avx512vbmi avx512vbmi2 avx512vl "
    "avx512vnni avx512vp2intersect avx512vpopcntdq avxifma avxneconvert avxvnni avxvnniint16 avxvnniint8 backchain "
    "be32 be8 big big-endian bionic bit-align block-ops-unaligned-vsx blrl bmi bmi2 branch-cost= branch-likely "
    "branch-protection= bss-plt call-aixdesc call-linux call-ms2sysv-xlogues call-sysv call-sysv-eabi "
    "callee-super-interworking caller-super-interworking cbcond cet-switch check-zero-division cld cldemote "
    "clflushopt clwb clzero cmodel= cmpb cmpccxadd cmse compact-branches= compat-align-parm cond-move-float "
    "cond-move-int console cpu= crc crc32 crypto csr-check cx16 direct-extern-access direct-move dispatch-scheduler "
    "div div32 divide-breaks divide-traps dll dlmzb double-float dsp dspr2 eabi early-ldp-fusion early-ra= "
    "embedded-data enqcmd esa eva evex512 explicit-relocs explicit-relocs= extern-sdata f16c fancy-math-387 "
    "faster-structs fdiv fdpic fentry fentry-name= fentry-section= fix-24k fix-at697f fix-cmse-cve-2021-35465 "
    "fix-cortex-a53-835769 fix-cortex-a53-843419 fix-cortex-a57-aes-1742098 fix-cortex-a72-aes-1655431 "
    "fix-cortex-m3-ldrd fix-gr712rc fix-r10000 fix-r4000 fix-r4400 fix-r5900 fix-sb1 fix-ut699 fix-vr4120 "
    "fix-vr4130 flat flip-thumb float-abi= float128 float128-hardware fma fma4 fmaf force-drap force-indirect-call "
    "fp-in-toc fp-ret-in-387 fp16-format= fp32 fp64 fpmath= fprnd fpu fpu= fpxx frecipe friz fsgsbase full-toc "
    "function-return-mem= function-return-reg= function-return= fused-madd fxsr gather general-regs-only gfni ginv "
    "glibc gp32 gp64 gpopt hard-dfp hard-float hard-quad-float harden-sls= hle hotpatch= hreset htm iamcu ieee-fp "
    "ieee128 imadd impure-text incoming-stack-boundary= indirect-branch-call= indirect-branch-cs-prefix "
    "indirect-branch-jump= indirect-branch-register indirect-branch-table indirect-branch= inline-all-stringops "
    "inline-atomics inline-strcmp inline-stringops-dynamically inline-strlen inline-strncmp instrument-return= "
    "intel-syntax interlink-compressed interlink-mips16 ips1 ips16 ips2 ips3 ips32 ips32r2 ips32r3 ips32r5 ips32r6 "
    "ips3d ips4 ips64 ips64r2 ips64r3 ips64r5 ips64r6 isa-spec= isel kl lam-bh lam= lamcas large-data-threshold= "
    "lasx late-ldp-fusion ld-seq-sa little little-endian llsc local-sdata long-calls long-double-128 long-double-64 "
    "long-double-80 long32 long64 longcall loongson-ext loongson-ext2 loongson-mmi low-precision-div "
    "low-precision-recip-sqrt low-precision-sqrt lsx lwp lzcnt madd4 manual-endbr max-inline-memcpy-size= "
    "max-vectorization memcpy-strategy= memset-strategy= mfcrf micromips minimal-toc mitigate-rop mma mmx movbe "
    "movcc movdir64b movdiri move-max= movrs mpx ms-bitfields msa mt mulhw multiple musl mvcle mwait mwaitx nan= "
    "needed neon-for-64bits no-mips16 no-mips3d nop-fun-dllimport nop-mcount noreturn-no-callee-saved-registers "
    "odd-spreg omit-leaf-frame-pointer outline-atomics override= packed-stack paired-single partial-vector-fp-math "
    "pc-relative-literal-loads pc32 pc64 pc80 pclmul pcommit pconfig pcrel pic-data-is-text-relative pic-register= "
    "pku plt pltseq pointers-to-nested-functions poke-function-name popc popcnt popcntb popcntd power10-vector "
    "power11 power8-fusion power8-vector power9-vector powerpc powerpc-gfxopt powerpc-gpopt powerpc64 prefer-avx128 "
    "prefer-vector-width= preferred-stack-boundary= prefetchi prefetchwt1 prefixed preserve-args prfchw privileged "
    "profile-kernel prototype ptwrite pure-code push-args quad-memory quad-memory-atomic raoint rdpid rdrnd rdseed "
    "readonly-in-sdata recip recip= record-mcount record-return red-zone regnames regparm= relax relax-cmpxchg-loop "
    "relax-pic-calls relocatable relocatable-lib restrict-it riscv-attribute rop-protect rtd rtm rvv-max-lmul= "
    "rvv-vector-bits= sahf save-restore save-toc-indirect scalar-strict-align scatter sched-prolog scq sdata sdata= "
    "secure-plt serialize sgx sha sha512 shared shorten-memrefs shstk sign-return-address= simd= single-float "
    "single-pic-base skip-rax-setup slow-flash-data sm3 sm4 small-data-limit= small-exec smartmips soft-float "
    "soft-quad-float spe= speculate-indirect-jumps split-addresses sse sse2 sse2avx sse3 sse4 sse4.1 sse4.2 sse4a "
    "sse5 sseregparm ssse3 stack-arg-probe stack-bias stack-guard= stack-protector-guard-offset= "
    "stack-protector-guard-reg= stack-protector-guard-symbol= stack-protector-guard= stack-size= stackrealign "
    "std-struct-return store-max= strict-align string-limit= stringop-strategy= structure-size-boundary= stv subxc "
    "sum-in-toc sve-vector-bits= svr4-struct-return sym32 tbm threads thumb thumb-interwork tls-dialect= "
    "tls-direct-seg-refs tls-size= toc tp= tpcs-frame tpcs-leaf-frame tpf-trace traceback= track-speculation "
    "tsxldtrk tune-ctrl= tune= uclibc uintr unaligned-access unaligned-symbols unicode unroll-only-small-loops "
    "update upper-regs user-mode usermsr v8plus vaes veclibabi= vect8-ret-in-mem vector-strict-align "
    "vectorize-with-neon-double vectorize-with-neon-quad virt vis vis2 vis3 vis4 vpclmulqdq vrsave vsx vx vxl "
    "vzeroupper waitpkg warn-dynamicstack warn-framesize= wbnoinvd widekl win32 windows word-relocations x32 xgot "
    "xop xpa xsave xsavec xsaveopt xsaves zarch zvector ";
constexpr auto kMIndex = index_words<count_words(kM)>(kM);
constexpr WordList kMList{kM, kMIndex.data(), count_words(kM)};
static_assert(words_sorted(kMList));

// Debug information; -g alone is known to the parser.
constexpr char kG[] =
    "0 1 2 3 as-loc-support as-locview-support btf column-info ctf ctf0 ctf1 ctf2 describe-dies dwarf dwarf-2 "
    "dwarf-3 dwarf-4 dwarf-5 dwarf32 dwarf64 gdb gdb0 gdb1 gdb2 gdb3 gnu-pubnames inline-points "
    "internal-reset-location-views no-as-loc-support no-as-locview-support no-column-info no-describe-dies "
    "no-inline-points no-internal-reset-location-views no-pubnames no-record-gcc-switches no-split-dwarf "
    "no-statement-frontiers no-strict-dwarf no-variable-location-views pubnames record-gcc-switches stabs stabs+ "
    "stabs0 stabs1 stabs2 stabs3 statement-frontiers strict-dwarf toggle variable-location-views "
    "variable-location-views= vms xcoff xcoff+ z z= ";
constexpr auto kGIndex = index_words<count_words(kG)>(kG);
constexpr WordList kGList{kG, kGIndex.data(), count_words(kG)};
static_assert(words_sorted(kGList));

constexpr OptionRow kRows[] = {
    {"-fcompare-debug", Form::kOptional, Act::kRefuseStops},
    {"-fdbg-cnt", Form::kOptional, Act::kRefuseStops},
    {"-fdeps-format=", Form::kJoined, Act::kDepsFormat},
    {"-fdisable-", Form::kOptional, Act::kRefuseStops},
    {"-fenable-", Form::kOptional, Act::kRefuseStops},
    {"-fhelp", Form::kOptional, Act::kRefuseStops},
    {"-fmodule-mapper=", Form::kJoined, Act::kModuleMapper},
    {"-fmodules", Form::kFlag, Act::kModules},
    {"-fmodules-ts", Form::kFlag, Act::kModules},
    {"-fpre-include=", Form::kOptional, Act::kRefuseReads},
    {"-fself-test=", Form::kOptional, Act::kRefuseStops},
    {"-fvtable-verify=", Form::kJoined, Act::kRefuseProfile},
    {"-fvtv-counts", Form::kFlag, Act::kRefuseMoreFiles},
    {"-fvtv-debug", Form::kFlag, Act::kRefuseMoreFiles},
    {"-mdump-tune-features", Form::kFlag, Act::kRefuseMeasures},
    {"-mprint-tune-info", Form::kFlag, Act::kRefuseMeasures},
    {"-nolibc", Form::kFlag, Act::kKey},
    {"-static-libasan", Form::kFlag, Act::kKey},
    {"-static-libgfortran", Form::kFlag, Act::kKey},
    {"-static-liblsan", Form::kFlag, Act::kKey},
    {"-static-libtsan", Form::kFlag, Act::kKey},
    {"-static-libubsan", Form::kFlag, Act::kKey},
};
static_assert(rows_sorted(kRows));

constexpr OptionTable kTable{kFList, kFQuietList, kMList, kGList, kRows, std::size(kRows)};

// Rows of both families. The longest name that fits a word wins, so a prefix may be refused and single names under it accepted.
constexpr OptionRow kCommonRows[] = {
    {"-###", Form::kFlag, Act::kRefuseInfo},
    {"--coverage", Form::kFlag, Act::kCoverage},
    {"--help", Form::kFlag, Act::kRefuseInfo},
    {"--help-hidden", Form::kFlag, Act::kRefuseInfo},
    {"--help=", Form::kJoined, Act::kRefuseInfo},
    {"--param", Form::kSeparate, Act::kParam},
    {"--param=", Form::kJoined, Act::kParam},
    {"--print-", Form::kJoined, Act::kRefuseInfo},
    {"--save-stats", Form::kOptional, Act::kRefuseMoreFiles},
    {"--save-temps", Form::kOptional, Act::kRefuseMoreFiles},
    {"--specs=", Form::kOptional, Act::kRefuseReads},
    {"--std=", Form::kJoined, Act::kStd},
    {"--sysroot", Form::kSeparate, Act::kRoot},
    {"--sysroot=", Form::kJoined, Act::kRoot},
    {"--target-help", Form::kFlag, Act::kRefuseInfo},
    {"--version", Form::kFlag, Act::kRefuseInfo},
    {"-A", Form::kFlag, Act::kRefuseText},
    {"-B", Form::kEither, Act::kRoot},
    {"-C", Form::kFlag, Act::kRefuseText},
    {"-CC", Form::kFlag, Act::kRefuseText},
    {"-D", Form::kEither, Act::kKey},
    {"-E", Form::kFlag, Act::kRefusePreprocess},
    {"-F", Form::kOptional, Act::kRefuseSearch},
    {"-H", Form::kFlag, Act::kRefuseMeasures},
    {"-I", Form::kEither, Act::kBracket},
    {"-L", Form::kEither, Act::kKey},
    {"-M", Form::kFlag, Act::kRefusePreprocess},
    {"-MD", Form::kFlag, Act::kMD},
    {"-MF", Form::kEither, Act::kMF},
    {"-MG", Form::kFlag, Act::kRefuseDepStyle},
    {"-MJ", Form::kEither, Act::kRefuseWrites},
    {"-MM", Form::kFlag, Act::kRefusePreprocess},
    {"-MMD", Form::kFlag, Act::kMMD},
    {"-MP", Form::kFlag, Act::kMP},
    {"-MQ", Form::kEither, Act::kMQ},
    {"-MT", Form::kEither, Act::kMT},
    {"-MV", Form::kFlag, Act::kRefuseDepStyle},
    {"-O", Form::kOptional, Act::kOptimize},
    {"-ObjC", Form::kFlag, Act::kRefuseObjC},
    {"-ObjC++", Form::kFlag, Act::kRefuseObjC},
    {"-P", Form::kFlag, Act::kRefuseText},
    {"-Q", Form::kFlag, Act::kRefuseMeasures},
    {"-S", Form::kFlag, Act::kAssembly},
    {"-U", Form::kEither, Act::kKey},
    {"-W", Form::kOptional, Act::kWarning},
    {"-Wa,", Form::kOptional, Act::kToAssembler},
    {"-Wl,", Form::kOptional, Act::kKey},
    {"-Wp,", Form::kOptional, Act::kToPreprocessor},
    {"-Xanalyzer", Form::kSeparate, Act::kRefusePassOn},
    {"-Xassembler", Form::kSeparate, Act::kOneToAssembler},
    {"-Xlinker", Form::kSeparate, Act::kKey},
    {"-Xpreprocessor", Form::kSeparate, Act::kOneToPreprocessor},
    {"-ansi", Form::kFlag, Act::kAnsi},
    {"-arch", Form::kSeparate, Act::kRefuseDriver},
    {"-aux-info", Form::kOptional, Act::kRefuseWrites},
    {"-c", Form::kFlag, Act::kCompile},
    {"-coverage", Form::kFlag, Act::kCoverage},
    {"-d", Form::kOptional, Act::kRefuseMoreFiles},
    {"-dumpbase", Form::kSeparate, Act::kRefuseDriver},
    {"-dumpbase-ext", Form::kSeparate, Act::kRefuseDriver},
    {"-dumpdir", Form::kSeparate, Act::kRefuseDriver},
    {"-dumpfullversion", Form::kFlag, Act::kRefuseInfo},
    {"-dumpmachine", Form::kFlag, Act::kRefuseInfo},
    {"-dumpspecs", Form::kFlag, Act::kRefuseInfo},
    {"-dumpversion", Form::kFlag, Act::kRefuseInfo},
    {"-emit-pch", Form::kOptional, Act::kRefusePch},
    {"-fauto-profile", Form::kOptional, Act::kRefuseProfile},
    {"-fbranch-probabilities", Form::kOptional, Act::kRefuseProfile},
    {"-fbuiltin-", Form::kJoined, Act::kProbe},
    {"-fbuiltin-module", Form::kOptional, Act::kRefuseModules},
    {"-fcall-saved-", Form::kJoined, Act::kProbe},
    {"-fcall-used-", Form::kJoined, Act::kProbe},
    {"-fcallgraph-info", Form::kFlag, Act::kCallGraph},
    {"-fcallgraph-info=", Form::kJoined, Act::kCallGraph},
    {"-fcolor-diagnostics", Form::kFlag, Act::kColor},
    {"-fcondition-coverage", Form::kOptional, Act::kRefuseProfile},
    {"-fcreate-profile", Form::kOptional, Act::kRefuseProfile},
    {"-fcs-profile", Form::kOptional, Act::kRefuseProfile},
    {"-fcxx-modules", Form::kOptional, Act::kRefuseModules},
    {"-fdeps-", Form::kOptional, Act::kRefuseWrites},
    {"-fdiagnostics-add-output=", Form::kOptional, Act::kRefuseWrites},
    {"-fdiagnostics-color", Form::kFlag, Act::kColor},
    {"-fdiagnostics-color=", Form::kJoined, Act::kColor},
    {"-fdiagnostics-format=", Form::kJoined, Act::kDiagnosticsFormat},
    {"-fdiagnostics-plain-output", Form::kFlag, Act::kColor},
    {"-fdiagnostics-set-output=", Form::kOptional, Act::kRefuseWrites},
    {"-fdirectives-only", Form::kFlag, Act::kRefuseText},
    {"-fdump-", Form::kOptional, Act::kRefuseMoreFiles},
    {"-fembed-bitcode", Form::kOptional, Act::kRefuseRecords},
    {"-fexec-charset=", Form::kJoined, Act::kCharset},
    {"-ffixed-", Form::kJoined, Act::kProbe},
    {"-fimplicit-module", Form::kOptional, Act::kRefuseModules},
    {"-finline-limit-", Form::kJoined, Act::kProbe},
    {"-finput-charset=", Form::kJoined, Act::kCharset},
    {"-finstrument-functions-list=", Form::kOptional, Act::kRefuseReads},
    {"-flto", Form::kFlag, Act::kCwd},
    {"-flto=", Form::kJoined, Act::kCwd},
    {"-fmem-report", Form::kFlag, Act::kRefuseMeasures},
    {"-fmem-report-wpa", Form::kFlag, Act::kRefuseMeasures},
    {"-fmemory-profile-use=", Form::kOptional, Act::kRefuseReads},
    {"-fmodule", Form::kOptional, Act::kRefuseModules},
    {"-fmodules", Form::kOptional, Act::kRefuseModules},
    {"-fno-builtin-", Form::kJoined, Act::kProbe},
    {"-fno-color-diagnostics", Form::kFlag, Act::kColor},
    {"-fno-diagnostics-color", Form::kFlag, Act::kColor},
    {"-fno-sanitize-coverage=", Form::kJoined, Act::kProbe},
    {"-fno-sanitize-recover=", Form::kJoined, Act::kProbe},
    {"-fno-sanitize-trap=", Form::kJoined, Act::kProbe},
    {"-fno-sanitize=", Form::kJoined, Act::kProbe},
    {"-fno-verbose-asm", Form::kFlag, Act::kProbe},
    {"-foffload", Form::kOptional, Act::kRefuseOffload},
    {"-fopenacc", Form::kOptional, Act::kRefuseOffload},
    {"-fopenmp-targets=", Form::kOptional, Act::kRefuseOffload},
    {"-fopt-info", Form::kOptional, Act::kRefuseMoreFiles},
    {"-foptimization-record", Form::kOptional, Act::kRefuseMoreFiles},
    {"-fpass-plugin=", Form::kOptional, Act::kRefusePlugin},
    {"-fpath-coverage", Form::kOptional, Act::kRefuseProfile},
    {"-fpch-", Form::kOptional, Act::kRefusePch},
    {"-fplugin", Form::kOptional, Act::kRefusePlugin},
    {"-fpost-ipa-mem-report", Form::kFlag, Act::kRefuseMeasures},
    {"-fpre-ipa-mem-report", Form::kFlag, Act::kRefuseMeasures},
    {"-fprebuilt-", Form::kOptional, Act::kRefuseModules},
    {"-fpreprocessed", Form::kFlag, Act::kRefuseText},
    {"-fproc-stat-report", Form::kOptional, Act::kRefuseWrites},
    {"-fprofile", Form::kOptional, Act::kRefuseProfile},
    {"-fprofile-arcs", Form::kFlag, Act::kArcs},
    {"-fprofile-update=", Form::kJoined, Act::kKey},
    {"-frecord-command-line", Form::kFlag, Act::kRefuseRecords},
    {"-frecord-gcc-switches", Form::kFlag, Act::kRefuseRecords},
    {"-fsave-optimization-record", Form::kFlag, Act::kRecord},
    {"-fsave-optimization-record=", Form::kJoined, Act::kRefuseMoreFiles},
    {"-fstack-usage", Form::kFlag, Act::kStackUsage},
    {"-fstats", Form::kFlag, Act::kRefuseMeasures},
    {"-fsyntax-only", Form::kFlag, Act::kRefuseNoObject},
    {"-ftemplate-depth-", Form::kJoined, Act::kProbe},
    {"-ftest-coverage", Form::kFlag, Act::kNotes},
    {"-fthin-link-bitcode=", Form::kOptional, Act::kRefuseWrites},
    {"-fthinlto-index=", Form::kOptional, Act::kRefuseReads},
    {"-ftime-report", Form::kFlag, Act::kRefuseMeasures},
    {"-ftime-report-details", Form::kFlag, Act::kRefuseMeasures},
    {"-ftime-report=", Form::kJoined, Act::kRefuseMeasures},
    {"-ftime-trace", Form::kFlag, Act::kTimeTrace},
    {"-ftime-trace-granularity=", Form::kJoined, Act::kKey},
    {"-ftime-trace=", Form::kJoined, Act::kRefuseMoreFiles},
    {"-fuse-ld=", Form::kJoined, Act::kKey},
    {"-fverbose-asm", Form::kFlag, Act::kVerboseAsm},
    {"-fwide-exec-charset=", Form::kJoined, Act::kCharset},
    {"-fworking-directory", Form::kFlag, Act::kCwd},
    {"-gmodules", Form::kOptional, Act::kRefuseModules},
    {"-gsplit-dwarf", Form::kFlag, Act::kDwo},
    {"-gsplit-dwarf=", Form::kJoined, Act::kRefuseDwo},
    {"-help", Form::kFlag, Act::kRefuseInfo},
    {"-idirafter", Form::kEither, Act::kAfter},
    {"-iframework", Form::kOptional, Act::kRefuseSearch},
    {"-imacros", Form::kEither, Act::kImacros},
    {"-imultiarch", Form::kOptional, Act::kRefuseSearch},
    {"-imultilib", Form::kOptional, Act::kRefuseSearch},
    {"-include", Form::kEither, Act::kInclude},
    {"-include-pch", Form::kOptional, Act::kRefusePch},
    {"-iplugindir=", Form::kOptional, Act::kRefuseSearch},
    {"-iprefix", Form::kOptional, Act::kRefuseSearch},
    {"-iquote", Form::kEither, Act::kQuote},
    {"-isysroot", Form::kEither, Act::kRoot},
    {"-isystem", Form::kEither, Act::kSystem},
    {"-isystem-after", Form::kOptional, Act::kRefuseSearch},
    {"-ivfsoverlay", Form::kOptional, Act::kRefuseReads},
    {"-iwithprefix", Form::kOptional, Act::kRefuseSearch},
    {"-iwithsysroot", Form::kOptional, Act::kRefuseSearch},
    {"-l", Form::kEither, Act::kKey},
    {"-no-canonical-prefixes", Form::kFlag, Act::kProbe},
    {"-no-integrated-cpp", Form::kFlag, Act::kRefuseDriver},
    {"-no-pie", Form::kFlag, Act::kProbe},
    {"-nodefaultlibs", Form::kFlag, Act::kProbe},
    {"-nopie", Form::kFlag, Act::kProbe},
    {"-nostartfiles", Form::kFlag, Act::kProbe},
    {"-nostdinc", Form::kFlag, Act::kNostdinc},
    {"-nostdinc++", Form::kFlag, Act::kNostdinc},
    {"-nostdlib", Form::kFlag, Act::kProbe},
    {"-o", Form::kEither, Act::kOutput},
    {"-p", Form::kFlag, Act::kProbe},
    {"-pass-exit-codes", Form::kFlag, Act::kRefuseDriver},
    {"-pedantic", Form::kFlag, Act::kPedantic},
    {"-pedantic-errors", Form::kFlag, Act::kPedantic},
    {"-pg", Form::kFlag, Act::kProbe},
    {"-pie", Form::kFlag, Act::kProbe},
    {"-pipe", Form::kFlag, Act::kIgnore},
    {"-print-", Form::kJoined, Act::kRefuseInfo},
    {"-pthread", Form::kFlag, Act::kProbe},
    {"-rdynamic", Form::kFlag, Act::kProbe},
    {"-remap", Form::kOptional, Act::kRefuseSearch},
    {"-s", Form::kFlag, Act::kProbe},
    {"-save-stats", Form::kOptional, Act::kRefuseMoreFiles},
    {"-save-temps", Form::kOptional, Act::kRefuseMoreFiles},
    {"-shared", Form::kFlag, Act::kProbe},
    {"-shared-libgcc", Form::kFlag, Act::kKey},
    {"-specs", Form::kOptional, Act::kRefuseReads},
    {"-specs=", Form::kOptional, Act::kRefuseReads},
    {"-static", Form::kFlag, Act::kProbe},
    {"-static-libgcc", Form::kFlag, Act::kKey},
    {"-static-libstdc++", Form::kFlag, Act::kKey},
    {"-static-pie", Form::kFlag, Act::kProbe},
    {"-std=", Form::kJoined, Act::kStd},
    {"-time", Form::kFlag, Act::kRefuseMeasures},
    {"-traditional", Form::kFlag, Act::kRefuseText},
    {"-traditional-cpp", Form::kFlag, Act::kRefuseText},
    {"-trigraphs", Form::kFlag, Act::kTrigraphs},
    {"-u", Form::kEither, Act::kKey},
    {"-undef", Form::kFlag, Act::kProbe},
    {"-v", Form::kFlag, Act::kRefuseInfo},
    {"-w", Form::kFlag, Act::kNoWarnings},
    {"-wrapper", Form::kSeparate, Act::kRefusePassOn},
    {"-x", Form::kEither, Act::kLanguage},
    {"-z", Form::kEither, Act::kKey},
};
static_assert(rows_sorted(kCommonRows));

// Of the rows that fit `word`, the one with the longest name. A row fits if it is the word, or if it is a prefix of it and takes a
// joined value. All that fit sort before the word and share its second character, which bounds the walk.
void find_row(const OptionRow* rows, size_t n, std::string_view word, OptionMatch* best) {
  const OptionRow* row =
      std::upper_bound(rows, rows + n, word, [](std::string_view w, const OptionRow& r) { return w < std::string_view(r.name); });
  while (row != rows) {
    row--;
    std::string_view name(row->name);
    if (name[1] != word[1]) return;
    if (name.size() <= best->name || !word.starts_with(name)) continue;
    bool exact = name.size() == word.size();
    if (exact ? row->form == Form::kJoined : row->form == Form::kFlag || row->form == Form::kSeparate) continue;
    *best = {row->act, row->form, name.size()};
    return;
  }
}
}  // namespace

const OptionTable& gcc_options() { return kTable; }

OptionMatch match_option(const OptionTable& table, std::string_view word) {
  OptionMatch match;
  if (word.size() < 2 || word[0] != '-') return match;
  std::string_view body = word.substr(2), name = body.substr(0, body.find('=') == body.npos ? body.npos : body.find('=') + 1);
  bool valued = name.ends_with('=');
  auto listed = [&](const WordList& list) {
    return list.contains(name) || (!valued && name.starts_with("no-") && list.contains(name.substr(3)));
  };
  Form form = valued ? Form::kJoined : Form::kFlag;
  size_t length = 2 + name.size();
  if (word[1] == 'f' && listed(table.f_words)) return {Act::kProbe, form, length};
  if (word[1] == 'f' && listed(table.f_quiet)) return {Act::kKey, form, length};
  if (word[1] == 'm' && listed(table.m_words)) return {Act::kMachine, form, length};
  if (word[1] == 'g' && (name.empty() || table.g_words.contains(name))) return {Act::kDebug, form, length};
  find_row(table.rows, table.n_rows, word, &match);
  find_row(kCommonRows, std::size(kCommonRows), word, &match);
  return match;
}

const char* refusal_phrase(Act act) {
  switch (act) {
    case Act::kRefuseInfo: return "only prints information";
    case Act::kRefuseMoreFiles: return "leaves more files";
    case Act::kRefuseReads: return "reads a file";
    case Act::kRefuseWrites: return "writes a file";
    case Act::kRefusePlugin: return "loads a plug-in";
    case Act::kRefuseProfile: return "profiles, or reads a profile";
    case Act::kRefuseModules: return "uses modules";
    case Act::kRefusePch: return "uses a precompiled header";
    case Act::kRefuseMeasures: return "prints measurements";
    case Act::kRefusePreprocess: return "stops after preprocessing";
    case Act::kRefusePassOn: return "passes words on unseen";
    case Act::kRefuseRecords: return "records the command line in the object";
    case Act::kRefuseNoObject: return "makes no object";
    case Act::kRefuseDwo: return "leaves a .dwo";
    case Act::kRefuseOffload: return "compiles for an accelerator";
    case Act::kRefuseSearch: return "changes the search path in a way that is not understood";
    case Act::kRefuseStops: return "is for debugging the compiler";
    case Act::kRefuseDriver: return "changes how the driver works";
    case Act::kRefuseObjC: return "is for Objective-C";
    case Act::kRefuseText: return "changes how the source is read";
    case Act::kRefuseDepStyle: return "writes a dependency file that is not understood";
    case Act::kRefuseIr: return "makes no plain object";
    default: return "is not supported";
  }
}

}  // namespace cchain
