# Completion of cchain for bash. What there is, is asked of the command itself: cchain help --list.
# SPDX-License-Identifier: Apache-2.0

_cchain() {
  local command=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} first=1 name value
  COMPREPLY=()
  [ "${COMP_WORDS[1]}" != -- ] || first=2
  if [ "$COMP_CWORD" = "$first" ]; then
    [ "$first" = 2 ] || COMPREPLY=($(compgen -W "$("$command" help --list 2>/dev/null | cut -f1) -s -z -V -h --version --help --" -- "$word"))
    case $word in -*) ;; *) COMPREPLY+=($(compgen -c -- "$word")) ;; esac
    return
  fi
  # Another program's arguments are its own.
  if [ "$first" = 2 ] || ! "$command" help --list 2>/dev/null | cut -f1 | grep -qxF -e "${COMP_WORDS[1]}"; then
    if declare -F _command_offset >/dev/null; then _command_offset "$first"; else compopt -o default; fi
    return
  fi
  # A value: behind its option, or behind an equals sign, which bash counts as a word of its own.
  if [ "$word" = = ]; then word=; elif [ "$before" = = ]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
  while IFS=$'\t' read -r name value _; do
    [ "$name" = "$before" ] && [ -n "$value" ] || continue
    case $value in
      DIR) compopt -o dirnames 2>/dev/null; COMPREPLY=($(compgen -d -- "$word")) ;;
      FILE) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
    return
  done < <("$command" help --list "${COMP_WORDS[1]}" 2>/dev/null | sed 's/\t\t/\t-\t/;s/\t-\t.*//')
  case $word in
    -*) COMPREPLY=($(compgen -W "$("$command" help --list "${COMP_WORDS[1]}" 2>/dev/null | cut -f1) --help" -- "$word")) ;;
    *)
      if [ "${COMP_WORDS[1]}" = help ]; then COMPREPLY=($(compgen -W "$("$command" help --list 2>/dev/null | cut -f1)" -- "$word"))
      else compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word")); fi ;;
  esac
}
complete -F _cchain cchain
