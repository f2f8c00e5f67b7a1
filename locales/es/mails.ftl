# The mail with a link.

for-whom = { $named ->
    [yes] para { $organisation }
   *[no] para su organización
}
subject = { $operator } solicita su aprobación { for-whom }: { $apps }
greeting = Buenos días:
asks = { $operator } solicita su aprobación en Microsoft 365 { for-whom }. Se trata de:
what-to-do = Qué hay que hacer:
open-privately = Abra este enlace en una ventana privada del navegador, para que no interfiera ninguna otra cuenta:
read-our-page = Lea allí quién pide qué y pulse el botón.
sign-in = Inicie sesión en Microsoft con una cuenta de administrador de su organización (normalmente «Administrador global»).
accept = Lea la lista de Microsoft y elija «Aceptar». Después, nuestra página le dirá si ha funcionado.
pass-on = ¿No es administrador? Reenvíe este mensaje a quien lo sea.
how-to-tell = Cómo comprobar que este mensaje es auténtico:
link-begins-with = El enlace empieza por:
sign-in-begins-with = Nunca le pedimos la contraseña. La sesión se inicia en Microsoft, en una página que empieza por:
in-doubt = En caso de duda, no abra nada y pregúntenos, a ser posible en un número que ya tenga. Contacto:
works-until = El enlace es válido hasta { $moment } (UTC) y solo para su organización.
our-reference = Nuestra referencia:
