# Completion of cchain for fish. What there is, is asked of the command itself: cchain help --list.
# SPDX-License-Identifier: Apache-2.0

function __cchain_names
    cchain help --list 2>/dev/null | string replace -r '^([^\t]*)\t[^\t]*\t' '$1\t'
end

function __cchain_subcommand
    set -l words (commandline -opc)
    set -q words[2]; and contains -- $words[2] (__cchain_names | string replace -r '\t.*' '')
end

function __cchain_other
    set -l words (commandline -opc)
    set -q words[2]; and not __cchain_subcommand
end

function __cchain_options
    set -l words (commandline -opc)
    cchain help --list $words[2] 2>/dev/null | string replace -r '^([^\t]*)\t[^\t]*\t' '$1\t'
    printf '%s\t%s\n' --help 'what there is to say of it'
end

complete -c cchain -n __fish_use_subcommand -a '(__cchain_names)'
complete -c cchain -n __fish_use_subcommand -a '(__fish_complete_command)'
complete -c cchain -n __cchain_subcommand -a '(__cchain_options)'
complete -c cchain -n '__cchain_subcommand; and contains help (commandline -opc)' -a '(__cchain_names)'
# Another program's arguments are its own.
complete -c cchain -n __cchain_other -a '(__fish_complete_subcommand)'
