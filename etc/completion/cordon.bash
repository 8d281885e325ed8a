# bash completion for cordon(1)
_cordon() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' word options=''

	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		scan | explain | list | status | check-config | dump-config | reload | version | filter | \
			deliver | reinject | smtp | opensmtpd | qmail-queue)
			command=$word
			break
			;;
		esac
	done
	if [[ $prev == -c || $prev == --sendmail || $prev == --qmail-queue ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	case $command in
	'')
		options='scan explain list status check-config dump-config reload version filter deliver'
		options+=' reinject smtp opensmtpd qmail-queue'
		;;
	scan | list) options='--json --local -c' ;;
	explain) options='--local -c' ;;
	status) options='--json -c' ;;
	dump-config) options='--defaults -c' ;;
	check-config | reload) options='-c' ;;
	smtp | opensmtpd) options='--listener --local --no-local -c' ;;
	filter | deliver | reinject | qmail-queue)
		options='-f --listener --infected --client --client-name --helo --user --queue-id'
		options+=' --local --no-local -c'
		[[ $command == reinject ]] && options+=' --sendmail'
		[[ $command == qmail-queue ]] && options+=' --qmail-queue'
		[[ $prev == --infected ]] && options='reject discard tempfail'
		;;
	esac
	if [[ $command == scan || $command == explain || $command == list ]] && [[ $cur != -* ]]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
}
complete -F _cordon cordon
