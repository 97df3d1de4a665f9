# gridctl.bash - completion for bash, made by `gridctl completion bash`
_gridctl()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local path='' words='' options='' global i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --endpoints | --ca | --cert | --key | --user | --timeout) ((i++)) ;;
        -*) ;;
        *)
            case "$path ${COMP_WORDS[i]}" in
            ' ping' | ' status' | ' nodes' | ' top' | ' context' | ' context create' | ' context list' | ' context show' | ' context alter' | ' context drop' | ' cache' | ' cache create' | ' cache list' | ' cache drop' | ' module' | ' module deploy' | ' module list' | ' module show' | ' module remove' | ' service' | ' service deploy' | ' service list' | ' service show' | ' service stop' | ' service call' | ' broadcast' | ' run' | ' map' | ' submit' | ' jobs' | ' jobs list' | ' jobs show' | ' jobs wait' | ' jobs cancel' | ' schedule' | ' schedule create' | ' schedule list' | ' schedule show' | ' schedule pause' | ' schedule resume' | ' schedule remove' | ' schedule run-now' | ' put' | ' get' | ' del' | ' incr' | ' expire' | ' scan' | ' count' | ' load' | ' dump' | ' locate' | ' partition' | ' partition list' | ' partition recover' | ' partition reset' | ' partition repair' | ' verify' | ' drain' | ' undrain' | ' remove' | ' rebalance' | ' rebalance status' | ' rebalance pause' | ' rebalance resume' | ' settings' | ' settings list' | ' settings get' | ' settings set' | ' cert' | ' cert init' | ' cert issue' | ' user' | ' user hash' | ' shell' | ' completion' | ' completion bash' | ' help' | ' version')
                path+=" ${COMP_WORDS[i]}" ;;
            esac ;;
        esac
    done
    case "$path $previous" in
    ' ping --wait') COMPREPLY=(); return ;;
    ' context create --partitions') COMPREPLY=(); return ;;
    ' context create --backups') COMPREPLY=(); return ;;
    ' context create --durability') COMPREPLY=($(compgen -W 'sync async memory' -- "$current")); return ;;
    ' context create --memory-limit') COMPREPLY=(); return ;;
    ' context create --min-in-sync') COMPREPLY=(); return ;;
    ' context create --nodes') COMPREPLY=(); return ;;
    ' context create --when-full') COMPREPLY=($(compgen -W 'refuse evict' -- "$current")); return ;;
    ' context alter --backups') COMPREPLY=(); return ;;
    ' context alter --durability') COMPREPLY=($(compgen -W 'sync async memory' -- "$current")); return ;;
    ' context alter --memory-limit') COMPREPLY=(); return ;;
    ' context alter --min-in-sync') COMPREPLY=(); return ;;
    ' context alter --nodes') COMPREPLY=(); return ;;
    ' context alter --when-full') COMPREPLY=($(compgen -W 'refuse evict' -- "$current")); return ;;
    ' cache create --ttl') COMPREPLY=(); return ;;
    ' module deploy --name') COMPREPLY=(); return ;;
    ' service deploy --mode') COMPREPLY=($(compgen -W 'singleton node key copies' -- "$current")); return ;;
    ' service deploy --copies') COMPREPLY=(); return ;;
    ' service deploy --context') COMPREPLY=(); return ;;
    ' service deploy --nodes') COMPREPLY=(); return ;;
    ' service deploy --arg') COMPREPLY=(); return ;;
    ' service call --key') COMPREPLY=(); return ;;
    ' service call --arg') COMPREPLY=(); return ;;
    ' service call --arg-file') mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames; return ;;
    ' broadcast --nodes') COMPREPLY=(); return ;;
    ' broadcast --arg') COMPREPLY=(); return ;;
    ' run --cache') COMPREPLY=(); return ;;
    ' run --key') COMPREPLY=(); return ;;
    ' run --affinity') COMPREPLY=(); return ;;
    ' run --arg') COMPREPLY=(); return ;;
    ' run --arg-file') mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames; return ;;
    ' map --cache') COMPREPLY=(); return ;;
    ' map --arg') COMPREPLY=(); return ;;
    ' map --keys') mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames; return ;;
    ' map --time') COMPREPLY=(); return ;;
    ' submit --cache') COMPREPLY=(); return ;;
    ' submit --key') COMPREPLY=(); return ;;
    ' submit --affinity') COMPREPLY=(); return ;;
    ' submit --arg') COMPREPLY=(); return ;;
    ' submit --delay') COMPREPLY=(); return ;;
    ' submit --priority') COMPREPLY=(); return ;;
    ' submit --attempts') COMPREPLY=(); return ;;
    ' submit --backoff') COMPREPLY=(); return ;;
    ' submit --deadline') COMPREPLY=(); return ;;
    ' submit --keep') COMPREPLY=(); return ;;
    ' submit --nodes') COMPREPLY=(); return ;;
    ' jobs list --status') COMPREPLY=($(compgen -W 'queued running done failed cancelled' -- "$current")); return ;;
    ' jobs wait --wait-for') COMPREPLY=(); return ;;
    ' schedule create --cron') COMPREPLY=(); return ;;
    ' schedule create --every') COMPREPLY=(); return ;;
    ' schedule create --cache') COMPREPLY=(); return ;;
    ' schedule create --key') COMPREPLY=(); return ;;
    ' schedule create --affinity') COMPREPLY=(); return ;;
    ' schedule create --arg') COMPREPLY=(); return ;;
    ' schedule create --priority') COMPREPLY=(); return ;;
    ' schedule create --attempts') COMPREPLY=(); return ;;
    ' schedule create --backoff') COMPREPLY=(); return ;;
    ' schedule create --deadline') COMPREPLY=(); return ;;
    ' schedule create --keep') COMPREPLY=(); return ;;
    ' schedule create --nodes') COMPREPLY=(); return ;;
    ' put --affinity') COMPREPLY=(); return ;;
    ' put --ttl') COMPREPLY=(); return ;;
    ' put --if-version') COMPREPLY=(); return ;;
    ' get --affinity') COMPREPLY=(); return ;;
    ' del --affinity') COMPREPLY=(); return ;;
    ' incr --affinity') COMPREPLY=(); return ;;
    ' expire --affinity') COMPREPLY=(); return ;;
    ' scan --prefix') COMPREPLY=(); return ;;
    ' scan --limit') COMPREPLY=(); return ;;
    ' load --format') COMPREPLY=($(compgen -W 'tsv jsonl' -- "$current")); return ;;
    ' load --key') COMPREPLY=(); return ;;
    ' load --affinity') COMPREPLY=(); return ;;
    ' load --ttl') COMPREPLY=(); return ;;
    ' dump --format') COMPREPLY=($(compgen -W 'tsv jsonl' -- "$current")); return ;;
    ' locate --affinity') COMPREPLY=(); return ;;
    ' cert issue --host') COMPREPLY=(); return ;;
    ' user hash --rounds') COMPREPLY=(); return ;;
    *' --endpoints') COMPREPLY=(); return ;;
    *' --ca') mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames; return ;;
    *' --cert') mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames; return ;;
    *' --key') mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames; return ;;
    *' --user') COMPREPLY=(); return ;;
    *' --timeout') COMPREPLY=(); return ;;
    esac
    case $path in
    '') words=" ping status nodes top context cache module service broadcast run map submit jobs schedule put get del incr expire scan count load dump locate partition verify drain undrain remove rebalance settings cert user shell completion help version" ;;
    ' ping') options=" --wait" ;;
    ' context') words=" create list show alter drop" ;;
    ' context create') options=" --partitions --backups --durability --memory-limit --min-in-sync --nodes --when-full" ;;
    ' context alter') options=" --backups --durability --memory-limit --min-in-sync --nodes --when-full" ;;
    ' cache') words=" create list drop" ;;
    ' cache create') options=" --ttl" ;;
    ' module') words=" deploy list show remove" ;;
    ' module deploy') options=" --name" ;;
    ' module show') options=" --source" ;;
    ' service') words=" deploy list show stop call" ;;
    ' service deploy') options=" --mode --copies --context --nodes --arg" ;;
    ' service call') options=" --key --arg --arg-file --again" ;;
    ' broadcast') options=" --nodes --arg" ;;
    ' run') options=" --cache --key --affinity --arg --arg-file" ;;
    ' map') options=" --cache --arg --keys --time" ;;
    ' submit') options=" --cache --key --affinity --arg --delay --priority --attempts --backoff --deadline --keep --nodes --wait" ;;
    ' jobs') words=" list show wait cancel" ;;
    ' jobs list') options=" --status" ;;
    ' jobs wait') options=" --wait-for" ;;
    ' schedule') words=" create list show pause resume remove run-now" ;;
    ' schedule create') options=" --cron --every --cache --key --affinity --arg --priority --attempts --backoff --deadline --keep --nodes" ;;
    ' put') options=" --affinity --ttl --if-absent --if-version" ;;
    ' get') options=" --affinity --version --local" ;;
    ' del') options=" --affinity" ;;
    ' incr') options=" --affinity" ;;
    ' expire') options=" --affinity" ;;
    ' scan') options=" --prefix --limit --keys --local" ;;
    ' count') options=" --local" ;;
    ' load') options=" --format --key --affinity --header --raw --ttl" ;;
    ' dump') options=" --format --local" ;;
    ' locate') options=" --affinity" ;;
    ' partition') words=" list recover reset repair" ;;
    ' partition recover') options=" --accept-loss" ;;
    ' partition reset') options=" --accept-loss" ;;
    ' remove') options=" --accept-loss" ;;
    ' rebalance') words=" status pause resume" ;;
    ' settings') words=" list get set" ;;
    ' cert') words=" init issue" ;;
    ' cert issue') options=" --host --client" ;;
    ' user') words=" hash" ;;
    ' user hash') options=" --rounds" ;;
    ' shell') options=" --keep-going" ;;
    ' completion') words=" bash" ;;
    esac
    global=" --endpoints --ca --cert --key --user --timeout --json --version --help"
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$options $global" -- "$current"))
    elif [[ $words ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    elif [[ $path == ' load' || $path == ' module deploy' || $path == ' cert '* ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current"); compopt -o filenames
    fi
}
complete -F _gridctl gridctl
