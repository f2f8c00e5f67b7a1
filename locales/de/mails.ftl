# The mail with a link.

for-whom = { $named ->
    [yes] für { $organisation }
   *[no] für Ihre Organisation
}
subject = { $operator } bittet um Ihre Zustimmung { for-whom }: { $apps }
greeting = Guten Tag,
asks = { $operator } bittet um Ihre Zustimmung in Microsoft 365 { for-whom }. Es geht um:
what-to-do = So gehen Sie vor:
open-privately = Öffnen Sie diesen Link in einem privaten Fenster Ihres Browsers, damit kein anderes Konto dazwischenkommt:
read-our-page = Lesen Sie dort, wer worum bittet, und klicken Sie auf die Schaltfläche.
sign-in = Melden Sie sich bei Microsoft mit einem Administratorkonto Ihrer Organisation an (meist „Globaler Administrator“).
accept = Lesen Sie die Liste von Microsoft und wählen Sie „Akzeptieren“. Danach sagt Ihnen unsere Seite, ob es geklappt hat.
pass-on = Sie sind nicht Administrator? Dann leiten Sie diese Nachricht bitte an die zuständige Person weiter.
how-to-tell = Woran Sie erkennen, dass diese Nachricht echt ist:
link-begins-with = Der Link beginnt mit:
sign-in-begins-with = Wir fragen nie nach Ihrem Kennwort. Sie melden sich bei Microsoft an, auf einer Seite, die so beginnt:
in-doubt = Im Zweifel öffnen Sie nichts und fragen uns, am besten über eine Nummer, die Sie schon haben. Sie erreichen uns so:
works-until = Der Link gilt bis { $moment } (UTC) und nur für Ihre Organisation.
our-reference = Unser Zeichen:
