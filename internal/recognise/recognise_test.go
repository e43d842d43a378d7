package recognise

import "testing"

func TestSuspect(t *testing.T) {
	for _, s := range []string{
		"The link in your mail goes to http://pay.example/update and asks for my address.",
		"Ihr Formular überträgt Namen und Adressen unverschlüsselt!",
		"I logged in and saw another customer's statement.",
		"Please put me through to your security team.",
		"Your reset page has an open redirect.",
		"I will disclose this in 90 days.",
		"Ich habe eine Sicherheitslücke gefunden.",
	} {
		if len(Suspect(s)) == 0 {
			t.Errorf("not suspected: %s", s)
		}
	}
	for _, s := range []string{
		"When are you open on Friday?", "Wie kann ich meine Adresse ändern?", "My 3D Secure code does not arrive.", "I lost my card at airport security.",
		"Vielen Dank, das hat geholfen.", "Please send my statement of October again.",
	} {
		if why := Suspect(s); len(why) > 0 {
			t.Errorf("suspected: %s: %v", s, why)
		}
	}
}
