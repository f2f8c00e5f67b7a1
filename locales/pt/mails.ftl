# The mail with a link.

for-whom = { $named ->
    [yes] para { $organisation }
   *[no] para a sua organização
}
subject = { $operator } pede a sua aprovação { for-whom }: { $apps }
greeting = Bom dia,
asks = { $operator } pede a sua aprovação no Microsoft 365 { for-whom }. Trata-se de:
what-to-do = O que fazer:
open-privately = Abra este link numa janela privada do navegador, para que nenhuma outra conta interfira:
read-our-page = Leia aí quem pede o quê e prima o botão.
sign-in = Inicie sessão na Microsoft com uma conta de administrador da sua organização (em geral “Administrador Global”).
accept = Leia a lista da Microsoft e escolha “Aceitar”. Depois, a nossa página dirá se funcionou.
pass-on = Não é administrador? Reencaminhe esta mensagem a quem o seja.
how-to-tell = Como confirmar que esta mensagem é autêntica:
link-begins-with = O link começa por:
sign-in-begins-with = Nunca pedimos a sua palavra-passe. O início de sessão é feito na Microsoft, numa página que começa por:
in-doubt = Em caso de dúvida, não abra nada e pergunte-nos, de preferência por um número que já tenha. Contacto:
works-until = O link é válido até { $moment } (UTC), e apenas para a sua organização.
our-reference = A nossa referência:
