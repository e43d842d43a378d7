package cases

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"postern/internal/db"
	"postern/internal/vault"
)

// File is a file that somebody attaches.
type File struct {
	Name, Type string
	Data       []byte
}

// A SealedFile is ready to be stored.
type SealedFile struct {
	id     string
	size   int
	sealed []byte
}

// Attach lists files in the document and seals them with the case's key, outside
// any transaction.
func (d *Doc) Attach(files []File, key *vault.Key) []SealedFile {
	var out []SealedFile
	for _, f := range files {
		sum := sha256.Sum256(f.Data)
		id := db.NewID()
		d.Attachments = append(d.Attachments, Attachment{Name: f.Name, Type: f.Type, Size: len(f.Data), SHA256: hex.EncodeToString(sum[:]), Blob: id})
		out = append(out, SealedFile{id, len(f.Data), key.Seal(f.Data, "blob", id)})
	}
	return out
}

// PutFiles stores what Attach sealed.
func PutFiles(ctx context.Context, tx *db.Tx, files []SealedFile, key *vault.Key) error {
	for _, f := range files {
		if err := vault.PutBlob(ctx, tx, f.id, key, f.size, f.sealed); err != nil {
			return err
		}
	}
	return nil
}
