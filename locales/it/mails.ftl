# The mail with a link.

for-whom = { $named ->
    [yes] per { $organisation }
   *[no] per la vostra organizzazione
}
subject = { $operator } chiede la vostra approvazione { for-whom }: { $apps }
greeting = Buongiorno,
asks = { $operator } chiede la vostra approvazione in Microsoft 365 { for-whom }. Si tratta di:
what-to-do = Come procedere:
open-privately = Aprite questo link in una finestra privata del browser, in modo che nessun altro account interferisca:
read-our-page = Leggete lì chi chiede che cosa e premete il pulsante.
sign-in = Accedete a Microsoft con un account amministratore della vostra organizzazione (di solito «Amministratore globale»).
accept = Leggete l’elenco di Microsoft e scegliete «Accetta». La nostra pagina vi dirà poi se ha funzionato.
pass-on = Non siete amministratori? Inoltrate questo messaggio a chi lo è.
how-to-tell = Come verificare che questo messaggio è autentico:
link-begins-with = Il link inizia con:
sign-in-begins-with = Non chiediamo mai la password. L’accesso avviene presso Microsoft, in una pagina che inizia con:
in-doubt = In caso di dubbio non aprite nulla e chiedete a noi, possibilmente a un numero che avete già. Contatto:
works-until = Il link vale fino a { $moment } (UTC) e solo per la vostra organizzazione.
our-reference = Nostro riferimento:
