# The mail with a link.

for-whom = { $named ->
    [yes] voor { $organisation }
   *[no] voor uw organisatie
}
subject = { $operator } vraagt om uw goedkeuring { for-whom }: { $apps }
greeting = Goedendag,
asks = { $operator } vraagt om uw goedkeuring in Microsoft 365 { for-whom }. Het gaat om:
what-to-do = Wat u moet doen:
open-privately = Open deze link in een privévenster van uw browser, zodat geen ander account in de weg zit:
read-our-page = Lees daar wie wat vraagt en klik op de knop.
sign-in = Meld u bij Microsoft aan met een beheerdersaccount van uw organisatie (meestal ‘Globale beheerder’).
accept = Lees de lijst van Microsoft en kies ‘Accepteren’. Daarna vertelt onze pagina u of het gelukt is.
pass-on = Bent u geen beheerder? Stuur dit bericht dan door aan wie dat wel is.
how-to-tell = Hoe u ziet dat dit bericht echt is:
link-begins-with = De link begint met:
sign-in-begins-with = Wij vragen nooit om uw wachtwoord. U meldt zich aan bij Microsoft, op een pagina die begint met:
in-doubt = Bij twijfel: open niets en vraag het ons, liefst via een nummer dat u al hebt. U bereikt ons via:
works-until = De link werkt tot { $moment } (UTC), en alleen voor uw organisatie.
our-reference = Onze referentie:
