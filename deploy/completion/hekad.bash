# SPDX-License-Identifier: MPL-2.0
#
# hekad.bash - completion of hekad's commands, options and files for bash.

_hekad() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i
    COMPREPLY=()
    case $before in
    -config|--config) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    -run-dir|--run-dir|-base-dir|--base-dir) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    -traffic|--traffic)
        mapfile -t COMPREPLY < <(compgen -W "auto statsd statsd-single text" -- "$word"
            compgen -f -- "$word")
        return ;;
    -format|--format) mapfile -t COMPREPLY < <(compgen -W "text json heka" -- "$word"); return ;;
    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        status|stop|reload|top|plugins|explain|queue|selftest) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    local words
    case $command in
    "") words="status stop reload top plugins explain queue selftest -config -check -json -run-dir \
-help-config -version -help" ;;
    status) words="-json -rules -run-dir" ;;
    stop|reload) words="-run-dir" ;;
    top) words="-interval -n -run-dir" ;;
    plugins) words="-json -config" ;;
    explain) words="-json -config" ;;
    selftest) words="-config -run-dir -seconds -precision -loss -traffic -rate -port -json -help" ;;
    queue) words="-json -config -base-dir -max-message-size -format -all -n"
        [[ $before == queue ]] && words="ls verify dump skip" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _hekad hekad
