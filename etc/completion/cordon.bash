# bash completion for cordon(1)
_cordon() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' word options=''

	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		scan | explain | list | status | check-config | dump-config | reload | version)
			command=$word
			break
			;;
		esac
	done
	if [[ $prev == -c ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	case $command in
	'') options='scan explain list status check-config dump-config reload version' ;;
	scan | list) options='--json --local -c' ;;
	explain) options='--local -c' ;;
	status) options='--json -c' ;;
	dump-config) options='--defaults -c' ;;
	check-config | reload) options='-c' ;;
	esac
	if [[ $command == scan || $command == explain || $command == list ]] && [[ $cur != -* ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
}
complete -F _cordon cordon
