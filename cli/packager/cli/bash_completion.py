"""The completion script for bash.

click's own, but for colons and equals signs: bash takes a word of the line apart at each
(COMP_WORDBREAKS), and ids, URLs and `--root=DIR` have some. So the words are put together again
before click sees them, and of what it answers only the part behind the last colon is given to bash,
which replaces no more than that.
"""

from __future__ import annotations

from click.shell_completion import BashComplete

SCRIPT = r"""
%(complete_func)s() {
    local IFS=$'\n'
    local response word index rest=$COMP_LINE cword=-1 type value completion current prefix=
    local -a words=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        if [[ $index -gt 0 && $rest == "$word"* && ( -n $word || -z $rest ) &&
              ( $word == [:=]* || ${words[cword]} == *[:=] ) ]]; then
            words[cword]+=$word
        else
            words[++cword]=$word
            rest=${rest#"${rest%%%%[![:space:]]*}"}
        fi
        rest=${rest#"$word"}
    done
    current=${words[cword]#--*=}
    if [[ $COMP_WORDBREAKS == *:* && $current == *:* ]]; then
        prefix=${current%%"${current##*:}"}
    fi

    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$cword %(complete_var)s=bash_complete $1)

    for completion in $response; do
        IFS=',' read type value <<< "$completion"

        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("${value#"$prefix"}")
        fi
    done

    return 0
}

%(complete_func)s_setup() {
    complete -o nosort -F %(complete_func)s %(prog_name)s
}

%(complete_func)s_setup;
"""


class ColonBashComplete(BashComplete):
    """click's completion for bash, with words that have colons in them."""

    source_template = SCRIPT
