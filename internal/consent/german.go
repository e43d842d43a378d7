package consent

import "postern/internal/lang"

const germanStill = "Die Daten anderer Menschen, und Themen auf unserer Liste, bleiben geschützt, was immer Sie wählen."

// german are the wordings in German; like all, they are never changed.
var german = []Wording{
	{Encryption, 2, lang.German, "Verschlüsselung meiner Mails",
		"Vertrauliches kommt in einer signierten Mail, die man unterwegs lesen kann, und nicht mehr verschlüsselt oder auf unserer geschützten Seite.",
		[5]string{
			"Wer unterwegs einen Mailserver, ein Netz oder ein WLAN betreibt, kann die Mail lesen. Niemand merkt es.",
			"Ein falscher Buchstabe in einer Adresse, bei uns oder bei Ihnen, und ein Fremder hat sie. Eine Mail lässt sich nicht zurückholen.",
			"Wer in Ihr Postfach kommt, jetzt oder in zehn Jahren, liest alles, was wir Ihnen je geschickt haben.",
			"Mit Kontonummer, Geburtsdatum und Kontoauszug kann sich ein anderer als Sie ausgeben, bei uns und anderswo.",
			"Kopien bleiben, wo eine Mail weitergeleitet, gesichert, gedruckt oder auf einem gemeinsamen Bildschirm gezeigt wird."}, germanStill},
	{Signature, 2, lang.German, "Signaturen an meinen Mails",
		"Unsere Mails an Sie kommen ohne Signatur. Wir machen sie trotzdem und heben sie auf, damit wir später zeigen können, was wir geschrieben haben. Was Ihnen von Ihrem Schutz sagt, oder von einer Nachricht auf unserer geschützten Seite, bleibt signiert.",
		[5]string{
			"Eine gefälschte Mail in unserem Namen sieht aus wie unsere. Kein Mailprogramm kann Ihnen den Unterschied zeigen.",
			"„Unsere Kontonummer hat sich geändert“ wird geglaubt, von Ihnen oder von dem, der Ihre Mail für Sie liest.",
			"Eine Zahl, ein Datum oder ein Link, der unterwegs geändert wurde, fällt nicht auf.",
			"Ob eine Mail von uns ist, erfahren Sie nur, wenn Sie uns fragen, auf unserer Seite oder am Telefon.",
			"Gibt es Streit darüber, was wir geschrieben haben, haben Sie nichts in der Hand; der Beweis liegt bei uns."}, germanStill},
	{Factor, 2, lang.German, "Der zweite Nachweis auf der geschützten Seite",
		"Eine Nachricht, die auf unserer geschützten Seite wartet, öffnet sich mit dem Link in unserer Mail und einem Knopf, ohne Code und ohne Ihren Passkey.",
		[5]string{
			"Wer die Mail hat, hat die Nachricht: jemand in Ihrem Haushalt, an Ihrem Arbeitsplatz, oder mit Ihrem entsperrten Telefon.",
			"Leiten Sie unsere Mail weiter, geben Sie die Nachricht mit.",
			"Ein Programm, das Links folgt und Knöpfe drückt, kann die Nachricht vor Ihnen öffnen.",
			"Ist sie einmal geöffnet, können wir sie nicht zurückholen, auch wenn sie an den Falschen ging.",
			"Unser Protokoll sagt, dass sie geöffnet wurde. Von wem, kann es nicht mehr sagen."}, germanStill},
	{Proof, 2, lang.German, "Der Nachweis bei meinen Aufträgen",
		"Für das, worum Sie uns bitten, genügt ein Rückruf an die Nummer, die wir haben, ohne Signatur und ohne Ihren Passkey.",
		[5]string{
			"Wer an Ihr Telefon geht, kann in Ihrem Namen zustimmen.",
			"Wer Ihre Telefongesellschaft überredet, kann Ihre Nummer auf eine andere Karte legen lassen. Das geschieht jeden Tag.",
			"Stimmen lassen sich nachmachen, aus wenigen Sekunden einer Aufnahme.",
			"Was vereinbart wurde, wurde gesagt und nicht signiert: Eine falsche Ziffer in einer Kontonummer fällt später auf, oder nie.",
			"Gibt es einmal Streit, gibt es eine Notiz über einen Anruf, und keinen Beweis."}, germanStill},
}
